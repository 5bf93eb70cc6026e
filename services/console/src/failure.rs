//! What did not work, as a page: what, why, and what next.

use std::{error::Error, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

/// Why there is no page as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody is signed in.
    SignedOut {
        /// Where they wanted to go.
        next: String,
    },
    /// The key that somebody signed in with is not taken any more.
    KeyRefused,
    /// The API refuses.
    Problem(Box<Problem>),
    /// The form does not come from a page of ours, or from one of before.
    Forged,
    /// The form is no form.
    BadForm,
    NoPage,
    /// What the API said is not what we know, or never came whole.
    Unreadable(Box<dyn Error + Send + Sync>),
}

/// A refusal of the API (RFC 9457).
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub errors: Vec<Fault>,
    pub earliest: Option<u64>,
    #[serde(default)]
    pub request_id: String,
}

/// One thing that is wrong with what was sent.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fault {
    pointer: Option<String>,
    parameter: Option<String>,
    pub detail: String,
}

impl Fault {
    /// The field that it is about.
    pub fn field(&self) -> &str {
        let pointer = self.pointer.as_deref().map(|pointer| pointer.trim_start_matches('/'));
        pointer.or(self.parameter.as_deref()).unwrap_or_default()
    }
}

/// A failure as people read it.
#[derive(Debug)]
pub(crate) struct Told {
    pub status: StatusCode,
    pub title: String,
    pub why: String,
    pub next: String,
    pub faults: Vec<Fault>,
    pub request_id: String,
}

impl Failure {
    /// The words for it.
    pub fn told(&self) -> Told {
        let told = |status, title: &str, why: &str, next: &str| Told {
            status,
            title: title.to_owned(),
            why: why.to_owned(),
            next: next.to_owned(),
            faults: Vec::new(),
            request_id: String::new(),
        };
        match self {
            Self::Problem(problem) => problem.told(),
            Self::SignedOut { .. } | Self::KeyRefused => told(
                StatusCode::UNAUTHORIZED,
                "You are signed out",
                "The session is over, or its API key has expired or was deleted.",
                "Sign in again.",
            ),
            Self::Forged => told(
                StatusCode::FORBIDDEN,
                "The form was not taken",
                "It did not carry this session's token: it comes from another site, or from a page of before you signed in.",
                "Go back, reload the page and send the form again. Nothing was changed.",
            ),
            Self::BadForm => told(
                StatusCode::BAD_REQUEST,
                "The form could not be read",
                "It is too large, or no form at all.",
                "Go back and send it again.",
            ),
            Self::NoPage => told(
                StatusCode::NOT_FOUND,
                "There is no such page",
                "The address leads nowhere.",
                "Go on from the overview.",
            ),
            Self::Unreadable(_) => told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                "The page could not be made of what the API answered.",
                "The service's log says more. Reload the page; if it stays so, report it.",
            ),
        }
    }

    /// What went wrong inside, which belongs in the log.
    pub fn inner(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        if let Self::Unreadable(error) = self { Some(&**error) } else { None }
    }
}

impl Problem {
    /// Whether the key does not allow it.
    pub fn is_forbidden(&self) -> bool {
        self.status == StatusCode::FORBIDDEN.as_u16()
    }

    /// Whether what was sent is at fault, and not who sent it or when.
    pub fn is_mendable(&self) -> bool {
        if self.is_forbidden() {
            // What was named is beyond the key, and can be named otherwise; the action itself cannot.
            return !self.errors.is_empty();
        }
        let ours = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::CONFLICT, StatusCode::GONE];
        ours.iter().any(|status| status.as_u16() == self.status)
    }

    /// All of it in a sentence.
    pub fn sentence(&self) -> String {
        let faults = self.errors.iter().map(|fault| match fault.field() {
            "" => fault.detail.clone(),
            field => format!("{field} {}", fault.detail),
        });
        let faults: Vec<_> = faults.collect();
        let why = if faults.is_empty() { self.detail.clone() } else { faults.join("; ") };
        format!("{}: {why}.", self.title)
    }

    fn told(&self) -> Told {
        Told {
            status: StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            title: self.title.clone(),
            why: self.detail.clone(),
            next: self.next().to_owned(),
            faults: self.errors.clone(),
            request_id: self.request_id.clone(),
        }
    }

    fn next(&self) -> &'static str {
        match self.kind.as_str() {
            "/problems/forbidden" => "Sign in with a key that allows it; whoever administers the service can make one.",
            "/problems/limited" | "/problems/busy" => "Wait a moment, then reload the page.",
            "/problems/not-found" => "It may be gone, or belong to another key. Go on from the list.",
            "/problems/gone" => "Ask for something later, or begin with what is left from position 0.",
            "/problems/validation" | "/problems/parameters" => "Correct what is named and send it again.",
            "/problems/conflict" => "Change that first, then try again.",
            "/problems/store-closed" | "/problems/stopping" => "The service is restarting; reload in a few seconds.",
            _ => "The service's log has more under the request's id.",
        }
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        Self::Unreadable(Box::new(error))
    }
}

impl IntoResponse for Failure {
    /// An empty answer that carries it to the edge, where it becomes a page (`edge`).
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.told().status;
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
