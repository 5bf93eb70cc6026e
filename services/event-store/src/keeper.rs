//! The thread beside the writer: it folds what the writer committed, and puts small blocks of the log together.
//!
//! Both are work that nobody waits for. It takes no lock that a commit or a reader holds for long, changes one key at a time, and
//! may be killed at any point: what it has not done is done later, what it did half is done again.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use crate::{StoreError, arrange::Arranger, fold::Fold, poison::Poison};

/// How long an event may be pending before it is folded: of what changes often meanwhile, one state is written.
const PATIENCE: Duration = Duration::from_millis(100);

/// The running thread; ends when dropped, after it has folded what is pending.
pub struct Keeper {
    fold: Fold,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread. Without a `clock` it acts only when enough has gathered, and at its end.
    pub fn start(fold: Fold, arranger: Arranger, poison: Poison, clock: bool) -> std::io::Result<Self> {
        let thread = std::thread::Builder::new().name("event-keeper".to_owned());
        let (ours, patience) = (fold.clone(), clock.then_some(PATIENCE));
        let thread = thread.spawn(move || run(&ours, arranger, &poison, patience))?;
        Ok(Self { fold, thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.fold.end();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the keeper of the event store had panicked");
        }
    }
}

fn run(fold: &Fold, mut arranger: Arranger, poison: &Poison, patience: Option<Duration>) {
    let mut ending = Ending { fold, poison, failed: Some(panicked()) };
    while let Some(generation) = fold.next(patience) {
        let done = fold.fold(&generation).and_then(|folded| {
            drop(generation);
            arranger.arrange(folded)
        });
        if let Err(failed) = done {
            ending.failed = Some(failed);
            return;
        }
    }
    ending.failed = None;
}

/// However the thread ends, whoever waits for room does not wait for ever, and no write is taken that would never be folded.
struct Ending<'a> {
    fold: &'a Fold,
    poison: &'a Poison,
    failed: Option<StoreError>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(failed) = &self.failed {
            self.poison.spread(failed);
        }
        self.fold.end();
    }
}

fn panicked() -> StoreError {
    StoreError::Commit { step: "fold the log", source: Arc::new(std::io::Error::other("the keeper panicked")) }
}
