//! The only door to the network.
//!
//! Every HTTP request of this crate, the retries of a download too, first asks the [`Gate`] and gets a [`Permit`]. The
//! permit tells the gate when the server answered: the rate limit is counted where the server stands, so a slot can be
//! counted down only from there. A permit that is dropped uncalled says that no answer came and that the connection is
//! closed; the request may still have been counted.

use futures_util::future::BoxFuture;

use crate::job::JobKind;

/// Lets requests through, one permit each, as the budget allows.
pub trait Gate: Send + Sync + 'static {
    /// Waits for leave to send one request for `job`.
    fn acquire(&self, job: JobKind) -> BoxFuture<'_, Result<Box<dyn Permit>, GateClosed>>;
}

/// Leave to send one request.
pub trait Permit: Send {
    /// The server has answered. Called once the answer is classified; of a long download, once its beginning is.
    fn answered(self: Box<Self>, outcome: RequestOutcome);
}

/// The gate lets nothing through any more: the service is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no more requests are let through")]
pub struct GateClosed;

/// How one request ended, as far as the budget and the metrics care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The job was done. For a download: it is a file, whatever becomes of the rest.
    Ok,
    /// The server says that the limit is passed.
    RateLimited,
    /// The server refused the job with this code; 0 when it gave none.
    ApiError(i64),
    /// Something answered that does not speak the API: a proxy, a maintenance page, a redirect, half an answer.
    Transport,
}

impl RequestOutcome {
    /// A label for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::RateLimited => "rate_limited",
            Self::ApiError(_) => "api_error",
            Self::Transport => "transport",
        }
    }
}

/// A gate that lets everything through at once, for runs by hand and for tests. A service has a budget instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

struct OpenPermit;

impl Gate for OpenGate {
    fn acquire(&self, _job: JobKind) -> BoxFuture<'_, Result<Box<dyn Permit>, GateClosed>> {
        Box::pin(async { Ok(Box::new(OpenPermit) as Box<dyn Permit>) })
    }
}

impl Permit for OpenPermit {
    fn answered(self: Box<Self>, _outcome: RequestOutcome) {}
}
