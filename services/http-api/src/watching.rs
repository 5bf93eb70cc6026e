//! What the API may ask of whoever watches the accounts. It knows no poller: the binary fills this in.

use event_model::AccountName;
use futures_util::future::BoxFuture;

use crate::problem::Refusal;

/// The watching of the accounts, as far as people may tell it what to do.
pub trait Watching: Send + Sync + 'static {
    /// Puts a read at the head of the queue of `account`, within its budget. Answers when it is queued, not when it is done.
    fn refresh<'a>(&'a self, account: &'a AccountName, what: Refresh) -> BoxFuture<'a, Result<(), WatchingRefusal>>;

    /// Confirms a mass disappearance of at most `ceiling` entities that is withheld in `scope`: they are told as removed, at
    /// once or when a read by their ids has confirmed it.
    fn release<'a>(
        &'a self,
        account: &'a AccountName,
        scope: &'a str,
        ceiling: u64,
    ) -> BoxFuture<'a, Result<Released, WatchingRefusal>>;
}

/// What is read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Everything that is watched.
    All,
    /// The report with this id, in either spelling.
    Report(String),
}

/// What became of a mass disappearance that a person confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Entities told as removed.
    pub removed: u64,
    /// Entities that are read by their ids first.
    pub confirming: u64,
}

/// Why something asked is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchingRefusal {
    /// No account of that name is watched.
    UnknownAccount,
    /// Too much is asked already.
    Busy,
    /// The watching is ending.
    Stopped,
    /// No disappearance is withheld in the scope.
    NotWithheld,
    /// More are missing than the person reckoned with.
    OverCeiling {
        /// How many are.
        missing: u64,
    },
}

impl WatchingRefusal {
    /// The refusal of a request about `account`, and `scope` if it was about one.
    pub(crate) fn of(self, account: &AccountName, scope: &str) -> Refusal {
        match self {
            Self::UnknownAccount => Refusal::NotFound { what: "account", id: account.to_string() },
            Self::Busy => Refusal::Busy("too many reads of this account are asked for already"),
            Self::Stopped => Refusal::Stopping,
            Self::NotWithheld => Refusal::Conflict(format!("no disappearance is withheld in {scope:?}")),
            Self::OverCeiling { missing } => Refusal::Conflict(format!(
                "{missing} are missing in {scope:?}, more than the ceiling: nothing is released"
            )),
        }
    }
}
