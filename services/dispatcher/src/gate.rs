//! Who may hold a connection: every endpoint its share.
//!
//! An attempt needs a *pass*. A courier asks for one at a time and stands in line with all others for it, first come first
//! served, so that one with a million events to send gets its turn after everybody else's and not before. Most passes are
//! *quick*; a quarter are *slow*, for endpoints that hang, fail or take long to answer. An endpoint that is known as such may
//! use no other. One that is not known yet is found out: an attempt that lasts longer than a second moves over to a slow
//! pass as soon as there is one. So however many endpoints are dead, they hold no more than the slow passes, but for the few
//! seconds in which each is met for the first time; and [`change_engine::delivery::Health`] lets each begin with few at once.

use std::{pin::Pin, sync::Arc};

use change_engine::delivery::health::SLOW;
use futures_util::future::BoxFuture;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

/// One connection in so many is set aside for slow and failing endpoints.
const SLOW_ONE_IN: usize = 4;

/// All connections.
pub(crate) struct Gate {
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

/// The right to one connection, given back when dropped.
pub(crate) struct Pass {
    _permit: Option<OwnedSemaphorePermit>,
    is_slow: bool,
}

impl Gate {
    /// At most `connections` at once (at least two).
    pub(crate) fn new(connections: usize) -> Self {
        let slow = (connections / SLOW_ONE_IN).max(1);
        let quick = connections.saturating_sub(slow).max(1);
        Self { quick: Arc::new(Semaphore::new(quick)), slow: Arc::new(Semaphore::new(slow)) }
    }

    /// A pass, if one is free and nobody waits for it.
    pub(crate) fn try_pass(&self, is_slow: bool) -> Option<Pass> {
        let permit = Arc::clone(self.line(is_slow)).try_acquire_owned().ok()?;
        Some(Pass { _permit: Some(permit), is_slow })
    }

    /// A pass, when it is one's turn.
    pub(crate) fn pass(&self, is_slow: bool) -> BoxFuture<'static, Pass> {
        let line = Arc::clone(self.line(is_slow));
        // Never closed; if it were, sending unbounded would still be better than not sending.
        Box::pin(async move { Pass { _permit: line.acquire_owned().await.ok(), is_slow } })
    }

    /// `work` under `pass`, which is changed for a slow one when the work lasts. It is large, and stays where it is.
    pub(crate) async fn under<T>(&self, mut pass: Pass, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = sleep(SLOW), if !pass.is_slow => {
                    if let Some(slow) = self.try_pass(true) {
                        pass = slow;
                    }
                }
            }
        }
    }

    const fn line(&self, is_slow: bool) -> &Arc<Semaphore> {
        if is_slow { &self.slow } else { &self.quick }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_lasts_makes_room_for_quick_ones() {
        let gate = Arc::new(Gate::new(4));
        let passes: Vec<_> = std::iter::from_fn(|| gate.try_pass(false)).collect();
        assert_eq!(passes.len(), 3);
        for pass in passes {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { gate.under(pass, pin!(pending::<()>())).await });
        }
        let waiting = gate.pass(false);
        assert!(gate.try_pass(false).is_none());
        assert!(!waiting.await.is_slow, "one of the three has moved over");
        assert!(gate.try_pass(true).is_none(), "into the only slow pass");
    }

    #[tokio::test(start_paused = true)]
    async fn slow_endpoints_take_none_of_the_quick_passes() {
        let gate = Gate::new(4);
        let slow: Vec<_> = std::iter::from_fn(|| gate.try_pass(true)).collect();
        assert_eq!(slow.len(), 1);
        let quick: Vec<_> = std::iter::from_fn(|| gate.try_pass(false)).collect();
        assert_eq!(quick.len(), 3);
    }

    #[tokio::test]
    async fn who_waits_is_served_before_who_comes_later() {
        let gate = Gate::new(2);
        let held = gate.try_pass(false).expect("a pass");
        let mut first = gate.pass(false);
        assert!(timeout(Duration::ZERO, &mut first).await.is_err(), "it stands in line");
        drop(held);
        assert!(gate.try_pass(false).is_none(), "it is the first one's");
        drop(first.await);
        assert!(gate.try_pass(false).is_some());
    }
}
