//! Where all couriers have come, written down together.
//!
//! A cursor that is lost in a kill costs repetitions, so it is written seldom: for all couriers at once, [`CURSOR_INTERVAL`]
//! after the last time, or as soon as one of them has [`HASTE_DELIVERIES`] that are not written. Written means synced: a write
//! that is only visible dies with the process. A courier stops starting deliveries while [`CURSOR_INTERVAL_DELIVERIES`] of
//! its own are not on disk. So a kill repeats at most that many to a subscription, and what was in flight.
//!
//! One write takes the cursors of all who moved: its cost is shared, and far below that of a row per delivery.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use event_model::delivery::Progress;
use event_store::{Durability, StoreError, Table};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::error;

use crate::feed::Bell;

/// Deliveries to one subscription that may be done and not on disk: with those in flight, what a kill repeats.
pub(crate) const CURSOR_INTERVAL_DELIVERIES: u64 = 256;
/// Deliveries of one subscription after which a write begins early, so that it is done before the courier has to stop.
const HASTE_DELIVERIES: u64 = CURSOR_INTERVAL_DELIVERIES * 3 / 4;
/// Pause between two writes when something was delivered or failed.
pub(crate) const CURSOR_INTERVAL: Duration = Duration::from_millis(100);
/// The same when cursors only passed what is not wanted: losing that costs reading again, no more.
const SKIP_INTERVAL: Duration = Duration::from_secs(5);

/// How much of a courier's work is on disk.
pub(crate) struct Mark {
    settled: AtomicU64,
    /// Whether the courier waits for it.
    awaited: AtomicBool,
    bell: Arc<Bell>,
}

impl Mark {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { settled: AtomicU64::new(0), awaited: AtomicBool::new(false), bell })
    }

    /// Rings when more is on disk.
    pub(crate) fn wait(&self) {
        self.awaited.store(true, Ordering::Release);
    }

    /// Deliveries below the cursor on disk, counted from the courier's start.
    pub(crate) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }
}

struct Note {
    progress: Progress,
    settled: u64,
    mark: Arc<Mark>,
}

#[derive(Default)]
struct Notes {
    /// To be written.
    fresh: HashMap<Arc<str>, Note>,
    /// Being written.
    writing: HashMap<Arc<str>, Note>,
    /// When what is fresh is to be written.
    due: Option<Instant>,
    written_at: Option<Instant>,
}

/// Writes the cursors.
pub(crate) struct Scribe {
    table: Table<Progress>,
    notes: Mutex<Notes>,
    wake: Notify,
    /// One write at a time: what another one took is not on disk yet.
    turn: tokio::sync::Mutex<()>,
}

impl Scribe {
    pub(crate) fn new(table: Table<Progress>) -> Self {
        Self { table, notes: Mutex::default(), wake: Notify::new(), turn: tokio::sync::Mutex::default() }
    }

    /// `progress` is how the lane `id` (a subscription, or a replay) stands; `settled` of its deliveries lie below that cursor.
    /// `worked`: something was delivered or failed.
    pub(crate) fn note(&self, id: &Arc<str>, progress: &Progress, settled: u64, mark: &Arc<Mark>, worked: bool) {
        let mut notes = self.notes();
        let now = Instant::now();
        let interval = if worked { CURSOR_INTERVAL } else { SKIP_INTERVAL };
        let due = if settled.saturating_sub(mark.settled()) >= HASTE_DELIVERIES {
            now
        } else {
            notes.written_at.map_or(now, |at| (at + interval).max(now))
        };
        if notes.due.is_none_or(|known| due < known) {
            notes.due = Some(due);
            self.wake.notify_one();
        }
        let note = Note { progress: progress.clone(), settled, mark: Arc::clone(mark) };
        notes.fresh.insert(id.clone(), note);
    }

    /// How the lane stands, as far as it was ever noted.
    pub(crate) async fn progress(&self, id: &str) -> Result<Option<Progress>, StoreError> {
        let noted = {
            let notes = self.notes();
            notes.fresh.get(id).or_else(|| notes.writing.get(id)).map(|note| note.progress.clone())
        };
        match noted {
            Some(progress) => Ok(Some(progress)),
            None => self.table.get(id).await,
        }
    }

    /// Forgets the lane, here and on disk.
    pub(crate) async fn forget(&self, id: &str) -> Result<(), StoreError> {
        self.notes().fresh.remove(id);
        self.table.delete(id, Durability::Relaxed).await.map(drop)
    }

    /// Writes what is due, until the store fails.
    pub(crate) async fn run(&self) {
        loop {
            let due = self.notes().due;
            tokio::select! {
                () = self.wake.notified() => continue,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            if let Err(failed) = self.flush().await {
                error!(error = &failed as &dyn std::error::Error, "could not write where deliveries stand");
                return;
            }
        }
    }

    /// Writes everything that was noted, durably.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let changes = {
            let mut notes = self.notes();
            notes.due = None;
            notes.written_at = Some(Instant::now());
            let fresh = std::mem::take(&mut notes.fresh);
            notes.writing.extend(fresh);
            let sorted: BTreeMap<_, _> = notes.writing.iter().map(|(id, note)| (id, &note.progress)).collect();
            sorted.into_iter().map(|(id, progress)| (id.to_string(), Some(progress.clone()))).collect::<Vec<_>>()
        };
        self.table.apply(changes, Durability::Durable).await?;
        let written = std::mem::take(&mut self.notes().writing);
        for note in written.into_values() {
            note.mark.settled.fetch_max(note.settled, Ordering::AcqRel);
            if note.mark.awaited.swap(false, Ordering::AcqRel) {
                note.mark.bell.ring();
            }
        }
        Ok(())
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
