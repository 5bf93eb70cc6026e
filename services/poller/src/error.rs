//! Why the poller did not start, why an account stopped, why a read proved nothing.

use event_model::AccountName;
use event_store::StoreError;
use expensify_client::{ClientError, Incompleteness, Retry, SetupError};

/// Why [`crate::run`] did not start.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// Two accounts of one name. Rename one.
    #[error("two accounts have the name {account}")]
    SameName {
        /// The name.
        account: AccountName,
    },
    /// Two accounts with one credential pair: each would spend the pair's whole limit. Make them one.
    #[error(
        "accounts {first} and {second} have the same partner_user_id: one credential pair has one budget, so make them one account"
    )]
    SamePair {
        /// The one.
        first: AccountName,
        /// The other.
        second: AccountName,
    },
    /// The client of an account cannot be made. Correct its configuration.
    #[error("could not make the client of account {account}")]
    Client {
        /// Whose.
        account: AccountName,
        /// Why not.
        source: SetupError,
    },
    /// What was kept of an account cannot be read.
    #[error("could not load what is kept of account {account}")]
    Load {
        /// Whose.
        account: AccountName,
        /// Why not.
        source: StoreError,
    },
}

/// Why the watching of one account stopped; it is started again after a while.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("a read panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Why a read proved nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There was an answer, but not all of it or not in order.
    #[error("the export is incomplete")]
    Incomplete(#[source] Incompleteness),
    /// The observation could not be compared or appended: ours, not the upstream's.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl ReadError {
    /// A label for metrics.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Incomplete(_) => "incomplete",
            Self::Client(_) | Self::Store(_) => "failed",
        }
    }

    /// A refusal stands until somebody changes the credential, its roles or our configuration.
    pub(crate) fn needs_a_person(&self) -> bool {
        matches!(self, Self::Client(error @ ClientError::Refused { .. }) if error.retry() == Retry::Never)
    }
}

/// An error with what is below it, in one line, for people.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        text.push_str(": ");
        text.push_str(&source.to_string());
        below = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use expensify_client::{Asked, JobKind};

    use super::*;

    #[test]
    fn what_is_about_what_was_asked_needs_a_person_and_nothing_else_does() {
        let refused = |code| {
            let asked = Asked { job: JobKind::PolicyList, parameters: String::new() };
            ReadError::from(ClientError::Refused { asked, code, message: "no".into() })
        };
        assert!(refused(Some(404)).needs_a_person() && refused(Some(403)).needs_a_person());
        assert!(!refused(Some(500)).needs_a_person() && !refused(None).needs_a_person());
    }
}
