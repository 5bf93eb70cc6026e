//! What others may ask of the poller while it runs.
//!
//! Requests wait in a bounded queue of each account; its task takes them between two reads. Who asks waits for the answer
//! only, never for a read.

use std::{collections::BTreeMap, sync::Arc};

use event_model::AccountName;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::scribe::Released;

/// Requests that wait for one account: people and their programs, a handful.
const QUEUE: usize = 16;

/// What to read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Everything that is watched.
    All,
    /// The report of this id. One that is not known is simply read; if it shows, it is told.
    Report(String),
}

/// Why a request was not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// No account of that name is watched.
    #[error("no account of that name is watched")]
    UnknownAccount,
    /// So much was asked for already that this waits for nothing. Ask again in a moment.
    #[error("too many requests wait for the account")]
    Busy,
    /// The account is not watched at the moment: the service stops, or its store failed.
    #[error("the account is not watched at the moment")]
    Stopped,
    /// Nothing is withheld in the scope.
    #[error("nothing is withheld in {scope}")]
    NotWithheld {
        /// The scope.
        scope: String,
    },
    /// More is missing than may be removed.
    #[error("{missing} are missing, more than the ceiling of {ceiling}")]
    OverCeiling {
        /// How many are missing.
        missing: u64,
        /// How many may be removed at most.
        ceiling: u64,
    },
}

/// A request and where its answer goes.
#[derive(Debug)]
pub(crate) enum Command {
    Refresh(What, oneshot::Sender<Result<(), HandleError>>),
    Release { scope: String, ceiling: u64, reply: oneshot::Sender<Result<Released, HandleError>> },
}

/// Asks the poller; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    accounts: Arc<BTreeMap<AccountName, mpsc::Sender<Command>>>,
}

/// The other end of a [`Handle`], for [`run`](crate::run).
#[derive(Debug)]
pub struct Inbox {
    accounts: BTreeMap<AccountName, Commands>,
}

/// The requests of one account. Behind a lock, because an account that is started again goes on with the same queue.
pub(crate) type Commands = Arc<Mutex<mpsc::Receiver<Command>>>;

impl Handle {
    /// A handle for the accounts of these names, and the end that [`run`](crate::run) takes.
    pub fn pair(accounts: &[AccountName]) -> (Self, Inbox) {
        let (mut senders, mut receivers) = (BTreeMap::new(), BTreeMap::new());
        for account in accounts {
            let (sender, receiver) = mpsc::channel(QUEUE);
            senders.insert(account.clone(), sender);
            receivers.insert(account.clone(), Arc::new(Mutex::new(receiver)));
        }
        (Self { accounts: Arc::new(senders) }, Inbox { accounts: receivers })
    }

    /// Has `what` read ahead of everything that is planned, within the budget. Returns when that is planned.
    ///
    /// # Errors
    /// [`HandleError::UnknownAccount`], [`HandleError::Busy`], [`HandleError::Stopped`].
    pub async fn refresh(&self, account: &AccountName, what: What) -> Result<(), HandleError> {
        let (reply, answer) = oneshot::channel();
        self.ask(account, Command::Refresh(what, reply))?;
        answer.await.unwrap_or(Err(HandleError::Stopped))
    }

    /// Lets go what is withheld of `scope` (`reports`, `policies`, `cards:acme.example`) after a mass disappearance, if it is
    /// no more than `ceiling`. It is confirmed like any other absence, then removed. Returns when that is on disk.
    ///
    /// # Errors
    /// All of [`HandleError`].
    pub async fn release(&self, account: &AccountName, scope: &str, ceiling: u64) -> Result<Released, HandleError> {
        let (reply, answer) = oneshot::channel();
        self.ask(account, Command::Release { scope: scope.to_owned(), ceiling, reply })?;
        answer.await.unwrap_or(Err(HandleError::Stopped))
    }

    fn ask(&self, account: &AccountName, command: Command) -> Result<(), HandleError> {
        let queue = self.accounts.get(account).ok_or(HandleError::UnknownAccount)?;
        queue.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => HandleError::Busy,
            mpsc::error::TrySendError::Closed(_) => HandleError::Stopped,
        })
    }
}

impl Inbox {
    /// The requests of `account`; of one that no handle knows there are never any.
    pub(crate) fn take(&mut self, account: &AccountName) -> Commands {
        self.accounts.remove(account).unwrap_or_else(|| Arc::new(Mutex::new(mpsc::channel(1).1)))
    }
}
