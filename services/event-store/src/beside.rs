//! Work that another thread does beside this one, if there is one in time.
//!
//! A long append is prepared, and a long page read, in two halves. The second one is offered to the threads that may be held up; whoever comes
//! first takes it, a thread or the one that offered it, when that is done with the first. So nobody waits for a thread that waits for its turn.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{runtime::Handle, sync::oneshot};

/// Work that was offered, and what it gives.
pub struct Beside<W, T> {
    work: Arc<Mutex<Option<W>>>,
    outcome: oneshot::Receiver<T>,
}

impl<W: FnOnce() -> T + Send + 'static, T: Send + 'static> Beside<W, T> {
    /// Offers `work`. Within a runtime.
    pub fn offer(work: W) -> Self {
        let work = Arc::new(Mutex::new(Some(work)));
        let (done, outcome) = oneshot::channel();
        let its = Arc::clone(&work);
        Handle::current().spawn_blocking(move || take(&its).map(|work| done.send(work())));
        Self { work, outcome }
    }

    /// What it gives; none if it panicked. Done here and now if nobody has begun.
    pub async fn outcome(self) -> Option<T> {
        match take(&self.work) {
            Some(work) => Some(work()),
            None => self.outcome.await.ok(),
        }
    }

    /// The same where a thread may be held up.
    pub fn blocking_outcome(self) -> Option<T> {
        match take(&self.work) {
            Some(work) => Some(work()),
            None => self.outcome.blocking_recv().ok(),
        }
    }
}

fn take<W>(work: &Mutex<Option<W>>) -> Option<W> {
    work.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_once_by_a_thread_that_is_there_or_else_by_who_offered_it() {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let beside = Beside::offer(move || {
            begun.send(()).expect("it is waited for");
            std::thread::current().id()
        });
        has_begun.recv().expect("a thread takes it");
        assert_ne!(beside.outcome().await, Some(std::thread::current().id()));
    }

    #[test]
    fn where_all_threads_are_held_up_nobody_waits_for_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().expect("a runtime");
        let _within = runtime.enter();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let held = runtime.spawn_blocking(move || released.recv());
        let me = std::thread::current().id();
        assert_eq!(Beside::offer(|| std::thread::current().id()).blocking_outcome(), Some(me));
        assert_eq!(runtime.block_on(Beside::offer(|| std::thread::current().id()).outcome()), Some(me));
        drop(release);
        runtime.block_on(held).expect("no panic").expect_err("let go");
    }

    #[tokio::test]
    async fn work_that_panics_gives_nothing() {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let beside = Beside::<_, ()>::offer(move || {
            begun.send(()).expect("it is waited for");
            panic!("of the work")
        });
        has_begun.recv().expect("a thread takes it");
        assert_eq!(beside.outcome().await, None);
    }
}
