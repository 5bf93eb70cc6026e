//! The one thread that writes.
//!
//! # Group commit
//!
//! Everybody who writes puts a request into a bounded queue and waits. What needs no order is done before that, by the
//! caller ([`crate::prepare`]). The thread takes what is waiting, at most [`ROUND_EVENTS`] events or [`ROUND_BYTES`], as one
//! **round**: it checks and places each request, appends the events of all of them to the log as one commit, makes
//! everything durable **once**, and answers all. While the disk syncs, the next round gathers; so 16 writers cost one
//! sync and not 16.
//!
//! The order within a round, and what a crash between two steps leaves:
//!
//! 1. the blocks of the round are appended, beyond what readers look at: all of them, or the beginning of them, which the next
//!    start removes;
//! 2. [`Engine::make_durable`](crate::engine::Engine::make_durable): the events stand, though nobody was told;
//! 3. the events are handed over to be folded ([`crate::fold`]): what is missing is folded at the next start;
//! 4. the last sequence is published, watchers of tables are told, everybody is answered.
//!
//! Where it takes long instead, a round waits a little for callers that the one before has answered, so that all who append in
//! turns meet in one round ([`Company`]).
//!
//! A change of a table that is to be durable goes by the side of the queue, with a sign in it for where it stands. A round of
//! thousands of events looks there again and again while it places and writes them ([`Committer::serve_urgent`]): what is found is
//! carried out and made durable between two blocks, as if it had come before the round. The cursors of deliveries are written so:
//! nothing more is delivered to a subscriber while too much of it is not on disk.
//!
//! Where making durable takes less than changing threads does (a disk in memory, or one with a battery), who appends while nothing is
//! queued commits it himself ([`Pace`]), a little within his task and more where a thread may be held up: the same steps, in the same
//! order, without two changes of thread. One sync that takes longer ends that until many have been quick again.
//!
//! # Failure
//!
//! After a failed write or sync nobody knows what is on disk: Linux may have dropped the dirty pages and report
//! success the next time. So the writer never tries again. It answers the round with the error, and every later write
//! with [`StoreError::Poisoned`] until the store is opened anew and reads what is really there.
//!
//! A caller that goes away while it waits takes nothing back: its request is carried out.

mod commit;
mod company;
mod pace;
mod positions;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use commit::Committer;
use company::Company;
use pace::Pace;

use crate::{
    Durability, StoreError, StoredEvent, TableName,
    keeper::Keeper,
    prepare::Prepared,
    restore::KeptRun,
    tables::{Applied, Change},
};

/// Requests that may wait at once; further callers wait for room. Enough to fill a round with single events.
const QUEUE_REQUESTS: usize = 1024;
/// Events after which a round takes no further request: keeps the wait of its first caller short.
const ROUND_EVENTS: usize = 4096;
/// Bytes after which a round takes no further request: bounds the memory of the batch beyond what its callers sent.
const ROUND_BYTES: usize = 8 << 20;
/// Most events that a caller commits within his task: preparing and committing so many takes a millisecond, and more would hold up the
/// tasks beside it.
pub const AT_ONCE_EVENTS: usize = 128;
/// How long a caller that would commit himself waits for another one who does: about what that takes, and less than handing over.
const SOON: Duration = Duration::from_micros(20);
/// When a relaxed write is made durable at the latest, if no durable one comes before.
pub const RELAXED_FLUSH: Duration = Duration::from_millis(100);

/// Where the answer to a request goes.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A change of a table.
pub struct TableWrite {
    /// Which.
    pub table: TableName,
    /// All or none of them.
    pub changes: Vec<Change>,
    /// What the key must hold for it to be changed, if that matters; then it is one alone.
    pub expected: Option<Option<Vec<u8>>>,
    /// When the answer may be given.
    pub durability: Durability,
}

/// What the thread is asked for.
pub enum Request {
    /// Append events.
    Append(Vec<Prepared>, Reply<Vec<StoredEvent>>),
    /// Take over what retention left in another log.
    Kept(KeptRun, Reply<()>),
    /// Change a table.
    Table(TableWrite, Reply<Applied>),
    /// Change the tables as urgent requests want it, unless that is done.
    Urgent,
    /// Make everything before it durable.
    Sync(Reply<()>),
    /// The same, and refuse everything after it.
    Close(Reply<()>),
}

/// A change of a table that is to be durable, by the side of the queue.
pub type Urgent = (TableWrite, Reply<Applied>);

/// A request with its place in the queue, which is free again when its round is committed; so no round takes more than
/// [`QUEUE_REQUESTS`], however fast its callers come back.
struct Queued {
    request: Request,
    _room: OwnedSemaphorePermit,
}

/// The callers' end of the queue. Dropping it lets the thread finish what is queued, and waits for that.
pub struct Writer {
    room: Arc<Semaphore>,
    queue: Option<Sender<Queued>>,
    /// Each that is sent has a [`Request::Urgent`] in the queue, and is bounded by that one's place.
    urgent: Sender<Urgent>,
    /// Whoever commits holds it; when that panics, nobody does any more.
    committer: Arc<Mutex<Committer>>,
    pace: Arc<Pace>,
    /// Callers that append themselves.
    at_once: AtomicUsize,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(committer: Committer, keeper: Keeper) -> std::io::Result<Self> {
        let ((queue, requests), (urgent, at_the_side)) = (channel(), channel());
        let committer = committer.hearing(at_the_side);
        let thread = std::thread::Builder::new().name("event-store".to_owned());
        let (pace, committer) = (committer.pace(), Arc::new(Mutex::new(committer)));
        let room = Arc::new(Semaphore::new(QUEUE_REQUESTS));
        let (ours, its_room) = (Arc::clone(&committer), Arc::clone(&room));
        let thread = thread.spawn(move || run(&ours, &its_room, keeper, &requests))?;
        let at_once = AtomicUsize::new(0);
        Ok(Self { room, queue: Some(queue), urgent, committer, pace, at_once, thread: Some(thread) })
    }

    /// Appends `events`, and waits until that is done.
    pub async fn append(&self, events: Vec<Prepared>) -> Result<Vec<StoredEvent>, StoreError> {
        let at_once = if events.len() <= AT_ONCE_EVENTS { self.append_at_once(events) } else { Err(events) };
        match at_once {
            Ok(outcome) => outcome,
            Err(events) => self.ask(|reply| Request::Append(events, reply)).await,
        }
    }

    /// Appends `events` on this thread if that is quicker than handing them over; else gives them back.
    pub fn append_at_once(&self, events: Vec<Prepared>) -> Result<Result<Vec<StoredEvent>, StoreError>, Vec<Prepared>> {
        let _at_it = AtIt::new(&self.at_once);
        if !self.pace.is_quick() || self.is_queued() {
            return Err(events);
        }
        match self.turn() {
            Some(mut committer) if committer.has_room() => {
                let (reply, mut answer) = oneshot::channel();
                committer.admit(Request::Append(events, reply));
                committer.commit();
                Ok(answer.try_recv().unwrap_or(Err(StoreError::Poisoned)))
            }
            _ => Err(events),
        }
    }

    /// The committer, if it is free soon.
    fn turn(&self) -> Option<MutexGuard<'_, Committer>> {
        let start = Instant::now();
        loop {
            match self.committer.try_lock() {
                Ok(committer) => return Some(committer),
                Err(TryLockError::WouldBlock) if start.elapsed() < SOON => std::hint::spin_loop(),
                Err(_) => return None,
            }
        }
    }

    /// Queues what `request` makes of the place for its answer, and waits for that.
    pub async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        // The thread only ends before its callers when it panicked: nobody knows what it had written.
        let request = self.by_the_side(request(reply))?;
        queue.send(Queued { request, _room: room }).map_err(|_| StoreError::Poisoned)?;
        answer.await.unwrap_or(Err(StoreError::Poisoned))
    }

    /// The sign for `request`, if that is urgent; else itself.
    fn by_the_side(&self, request: Request) -> Result<Request, StoreError> {
        match request {
            Request::Table(write, reply) if write.durability == Durability::Durable => {
                self.urgent.send((write, reply)).map_err(|_| StoreError::Poisoned)?;
                Ok(Request::Urgent)
            }
            other => Ok(other),
        }
    }

    /// Whether nobody waits for it, as far as anybody can know.
    pub fn is_idle(&self) -> bool {
        !self.is_queued() && self.at_once.load(Ordering::Relaxed) == 0
    }

    /// Whether requests are queued or in the round.
    fn is_queued(&self) -> bool {
        self.room.available_permits() < QUEUE_REQUESTS
    }

    /// How many requests are queued or in the round.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        QUEUE_REQUESTS - self.room.available_permits()
    }
}

/// Somebody who appends himself, for as long as it lives.
struct AtIt<'a>(&'a AtomicUsize);

impl<'a> AtIt<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for AtIt<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the writer of the event store had panicked");
        }
    }
}

/// Lets go of what is urgent when the thread ends, however it does: whoever waits for that is told then.
struct HangUp<'a>(&'a Mutex<Committer>);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hang_up();
    }
}

fn run(committer: &Mutex<Committer>, room: &Semaphore, keeper: Keeper, requests: &Receiver<Queued>) {
    let _hang_up = HangUp(committer);
    let mut company = Company::default();
    while let Some(first) = next(committer, requests) {
        let Ok(mut committer) = committer.lock() else { return };
        let mut places = Vec::new();
        let mut queued = Some(first);
        while let Some(Queued { request, _room }) = queued {
            if committer.admit(request) {
                places.push(_room);
            }
            queued = if committer.round_is_full() { None } else { another(requests, &company, places.len()) };
        }
        // What the signs stood for was done before.
        if places.is_empty() {
            continue;
        }
        let start = Instant::now();
        committer.commit();
        let (end, answered) = (Instant::now(), places.len());
        drop(places);
        let waiting = QUEUE_REQUESTS - room.available_permits();
        company = Company::after(end - start, answered, waiting, end);
    }
    // It folds what is pending; so the next start has nothing to fold.
    drop(keeper);
    let Ok(mut committer) = committer.lock() else { return };
    committer.flush_relaxed();
    committer.mark(true);
}

/// Another request for the round, which has `here`: one that waits, or comes while `company` is waited for.
fn another(requests: &Receiver<Queued>, company: &Company, here: usize) -> Option<Queued> {
    let waited = || requests.recv_timeout(company.wait(here, Instant::now())?).ok();
    requests.try_recv().ok().or_else(waited)
}

/// The next request; none when there will be no more. Flushes relaxed writes that are due, requests or not.
fn next(committer: &Mutex<Committer>, requests: &Receiver<Queued>) -> Option<Queued> {
    loop {
        // What a caller commits himself is never relaxed; so this knows of all that is.
        let due = committer.lock().ok()?.relaxed_due_in();
        let Some(left) = due else { return requests.recv().ok() };
        if left.is_zero() {
            committer.lock().ok()?.flush_relaxed();
            continue;
        }
        match requests.recv_timeout(left) {
            Ok(queued) => return Some(queued),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
        }
    }
}

#[cfg(test)]
mod tests;
