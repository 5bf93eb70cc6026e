//! What a client is set up with.

use std::{fmt, time::Duration};

use secrecy::SecretString;
use url::Url;

/// One credential pair of the Integration Server. It travels inside each job; `Debug` shows neither half's secret.
#[derive(Clone)]
pub struct Credentials {
    /// `partnerUserID`, such as `aa_finance_acme_example`.
    pub partner_user_id: String,
    /// `partnerUserSecret`.
    pub partner_user_secret: SecretString,
}

impl Credentials {
    /// A pair.
    pub fn new(partner_user_id: impl Into<String>, partner_user_secret: impl Into<SecretString>) -> Self {
        Self { partner_user_id: partner_user_id.into(), partner_user_secret: partner_user_secret.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("partner_user_id", &self.partner_user_id).finish_non_exhaustive()
    }
}

/// How long to wait for what. Each bounds a whole request, from connecting to the last byte, unless it says otherwise. Time
/// that the reader of a download takes for itself does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// Jobs that answer at once: policy list, policies, cards.
    pub short: Duration,
    /// Export and reconciliation: they answer when the file is rendered, which takes minutes.
    pub export: Duration,
    /// A download. A million reports take half an hour at 0.8 megabytes a second.
    pub download: Duration,
    /// Between two pieces of a download.
    pub download_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            short: Duration::from_secs(60),
            export: Duration::from_secs(600),
            download: Duration::from_secs(1800),
            download_idle: Duration::from_secs(60),
        }
    }
}

/// Waits between the tries of one download that is not ready: five tries in three quarters of a minute. The file is
/// nearly always ready when it is named (reference section 2.1); what takes longer is better exported anew.
pub const DOWNLOAD_WAITS: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(30)];

/// What a [`Client`](crate::Client) is made from.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The one URL of every job.
    pub endpoint: Url,
    /// Who asks.
    pub credentials: Credentials,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Waits before the second, third, ... try of a download that is not ready; as many tries as waits, and one.
    pub download_waits: Vec<Duration>,
    /// `user-agent` of each request.
    pub user_agent: String,
}

impl ClientConfig {
    /// The defaults for one endpoint and pair.
    pub fn new(endpoint: Url, credentials: Credentials) -> Self {
        Self {
            endpoint,
            credentials,
            timeouts: Timeouts::default(),
            download_waits: DOWNLOAD_WAITS.to_vec(),
            user_agent: concat!("expensewire/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_prints_shows_the_secret() {
        let credentials = Credentials::new("aa_finance", "hunter2");
        let endpoint = "https://integrations.expensify.com/x".parse().unwrap();
        let shown = format!("{credentials:?} {:?}", ClientConfig::new(endpoint, credentials.clone()));
        assert!(shown.contains("aa_finance"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
