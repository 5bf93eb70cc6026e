//! The threads that couriers run on.
//!
//! **Theory.** Each thread has a runtime of its own, with its own sockets and timers, and a courier stays where it was started.
//! So an answer that comes in is taken in by the thread whose courier waits for it, together with all others that have come by
//! then. Where several workers share the sockets, one that has nothing else to do takes the answers in and wakes another one
//! for each few of them; to one subscription that was a third of what a delivery cost.
//!
//! **The price.** Nobody takes a courier over: two busy ones may share a thread while another one idles. A new courier goes
//! where the fewest are.

use std::{
    io,
    num::NonZero,
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{dispatcher, warn};

/// Threads at the most: the receivers and the disk set the pace long before there is work for more.
const MAX_THREADS: usize = 8;
/// Reads and writes of the store that the couriers of one thread wait for at once.
const MAX_BLOCKING: usize = 32;
/// How long the end of a thread waits for such reads and writes.
const LINGER: Duration = Duration::from_millis(200);
/// How long all of them may take to end.
const STOP_BOUND: Duration = Duration::from_millis(400);

/// See the module's head. Dropped, they end.
pub(crate) struct Threads {
    handles: Vec<Handle>,
    one_ended: CancellationToken,
    /// A permit of each thread that has ended.
    ended: Arc<Semaphore>,
    stop: DropGuard,
}

impl Threads {
    /// As many as there are processors for this process, up to [`MAX_THREADS`].
    ///
    /// # Errors
    /// When the operating system gives no thread or no event queue.
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_some(thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS))
    }

    fn start_some(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let (stopped, ended) = (stop.clone(), Arc::new(Semaphore::new(0)));
        let mut threads =
            Self { handles: Vec::new(), one_ended: CancellationToken::new(), ended, stop: stop.drop_guard() };
        for number in 0..count {
            let end = End { _one_ended: threads.one_ended.clone().drop_guard(), ended: Arc::clone(&threads.ended) };
            let (stop, log) = (stopped.clone(), dispatcher::get_default(Clone::clone));
            let (tell, told) = mpsc::sync_channel(1);
            // Who hears what is logged here hears what is logged there.
            let work = move || dispatcher::with_default(&log, || run(&tell, &stop, end));
            thread::Builder::new().name(format!("courier-{number}")).spawn(work)?;
            threads.handles.push(told.recv().map_err(io::Error::other)??);
        }
        Ok(threads)
    }

    /// Runs `task` on the thread that has the fewest.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
        tasks: &mut JoinSet<T>,
    ) -> AbortHandle {
        let idlest = self.handles.iter().min_by_key(|handle| handle.metrics().num_alive_tasks());
        tasks.spawn_on(task, idlest.expect("there is at least one"))
    }

    /// Waits until one of them has ended, which it should not without being told to.
    pub(crate) async fn one_ended(&self) {
        self.one_ended.cancelled().await;
    }

    /// Ends them: what still runs on them is abandoned.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        let all = u32::try_from(self.handles.len()).unwrap_or(u32::MAX);
        if timeout(STOP_BOUND, self.ended.acquire_many(all)).await.is_err() {
            warn!("a thread that delivers does not end: abandoned");
        }
    }
}

/// Dropped when a thread ends, however it does.
struct End {
    _one_ended: DropGuard,
    ended: Arc<Semaphore>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.ended.add_permits(1);
    }
}

/// The runtime is made and dropped where it runs: tasks may do neither.
fn run(tell: &SyncSender<io::Result<Handle>>, stop: &CancellationToken, _end: End) {
    let made = Builder::new_current_thread().enable_all().max_blocking_threads(MAX_BLOCKING).build();
    let told = tell.send(made.as_ref().map(|runtime| runtime.handle().clone()).map_err(|error| error.kind().into()));
    if let (Ok(runtime), Ok(())) = (made, told) {
        runtime.block_on(stop.cancelled());
        runtime.shutdown_timeout(LINGER);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, future::pending};

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn tasks_are_spread_over_the_threads_and_stay_there() {
        let (threads, mut tasks) = (Threads::start_some(3).expect("threads"), JoinSet::new());
        let all_are_there = Arc::new(Barrier::new(9));
        for _ in 0..9 {
            let all_are_there = Arc::clone(&all_are_there);
            let task = async move {
                let before = thread::current().id();
                all_are_there.wait().await;
                assert_eq!(before, thread::current().id());
                thread::current().name().map(str::to_owned)
            };
            threads.spawn(task, &mut tasks);
        }
        let mut seen = BTreeMap::<_, u32>::new();
        for name in tasks.join_all().await {
            *seen.entry(name.expect("a name")).or_default() += 1;
        }
        let three = ["courier-0", "courier-1", "courier-2"].map(|name| (name.to_owned(), 3));
        assert_eq!(seen, three.into());
        threads.stop().await;
    }

    #[tokio::test]
    async fn what_still_runs_when_they_are_stopped_is_abandoned() {
        let (threads, mut tasks) = (Threads::start_some(2).expect("threads"), JoinSet::new());
        for _ in 0..4 {
            threads.spawn(pending::<()>(), &mut tasks);
        }
        threads.stop().await;
        while let Some(ended) = tasks.join_next().await {
            assert!(ended.expect_err("it never ends").is_cancelled());
        }
    }

    #[tokio::test]
    async fn that_one_has_ended_is_seen() {
        let threads = Threads::start_some(2).expect("threads");
        let one_ended = threads.one_ended.clone();
        assert!(timeout(Duration::from_millis(20), one_ended.cancelled()).await.is_err(), "both run");
        threads.stop().await;
        assert!(one_ended.is_cancelled());
    }
}
