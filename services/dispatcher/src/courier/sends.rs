//! The attempts of one courier that are under way.
//!
//! **Theory.** They run within the courier's own task: an answer wakes who takes it in and nobody else. That is cheapest as
//! long as there are other couriers to keep the other processors busy. One that is alone with its work is bound to a single
//! processor; another one wakes up for each packet, finds nothing else to do and goes to sleep again, which costs more than
//! the packet. So while a courier has most of all attempts that are under way, its next ones run in a second task, the *crew*:
//! that signs, writes and reads, and the courier keeps the books.
//!
//! **Guarantees.** The crew ends with the courier, or when nothing is under way. What is cleared here is dropped there. An
//! attempt that panics does so in the courier, wherever it ran.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, error::SendError, unbounded_channel},
    task::JoinHandle,
};

use super::Sent;

/// An attempt under way.
pub(super) type Flight = BoxFuture<'static, Sent>;

/// Fewer attempts at once are no work for two.
const CREW_FROM: usize = 8;

/// See the module's head.
#[derive(Default)]
pub(super) struct Sends {
    own: FuturesUnordered<Flight>,
    crew: Option<Crew>,
    /// How many the crew has.
    away: usize,
}

impl Sends {
    pub(super) fn count(&self) -> usize {
        self.own.len() + self.away
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Begins with `flight`; `is_alone`: few others have anything under way.
    pub(super) fn push(&mut self, flight: Flight, is_alone: bool) {
        if !is_alone || self.count() < CREW_FROM {
            self.own.push(flight);
            return;
        }
        match self.crew.get_or_insert_with(Crew::hire).flights.send(flight) {
            Ok(()) => self.away += 1,
            // It ends by a panic alone, which is found out when what it has is waited for.
            Err(SendError(flight)) => self.own.push(flight),
        }
    }

    /// What ends next; `None` when nothing is under way.
    pub(super) async fn next(&mut self) -> Option<Sent> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Sent>> {
        if let Poll::Ready(Some(sent)) = self.own.poll_next_unpin(context) {
            return Poll::Ready(Some(sent));
        }
        match &mut self.crew {
            Some(crew) if self.away > 0 => {
                let sent = ready!(crew.poll_landed(context));
                self.away -= 1;
                Poll::Ready(Some(sent))
            }
            _ if self.own.is_empty() => Poll::Ready(None),
            _ => Poll::Pending,
        }
    }

    /// Nothing is under way: nobody is needed for it.
    pub(super) fn dismiss_crew(&mut self) {
        debug_assert!(self.is_empty(), "what is under way is not forgotten");
        self.crew = None;
    }

    /// Abandons what is under way. When this returns, nothing of it is.
    pub(super) async fn clear(&mut self) {
        self.own.clear();
        self.away = 0;
        if let Some(mut crew) = self.crew.take() {
            crew.task.abort();
            // That it was aborted, or panicked, is of no account any more.
            let _ = (&mut crew.task).await;
        }
    }
}

/// The second task. It ends when this is dropped.
struct Crew {
    flights: UnboundedSender<Flight>,
    landed: UnboundedReceiver<Sent>,
    task: JoinHandle<()>,
}

impl Crew {
    fn hire() -> Self {
        // Both hold as many as may be in flight to one subscription.
        let ((flights, begun), (ended, landed)) = (unbounded_channel(), unbounded_channel());
        Self { flights, landed, task: tokio::spawn(work(begun, ended)) }
    }

    fn poll_landed(&mut self, context: &mut Context<'_>) -> Poll<Sent> {
        if let Some(sent) = ready!(self.landed.poll_recv(context)) {
            return Poll::Ready(sent);
        }
        match ready!(Pin::new(&mut self.task).poll(context)) {
            Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
            // The runtime ends, and we with it.
            Ok(()) | Err(_) => Poll::Pending,
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn work(mut flights: UnboundedReceiver<Flight>, landed: UnboundedSender<Sent>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(sent) = under_way.next(), if !under_way.is_empty() => {
                if landed.send(sent).is_err() {
                    return;
                }
            }
            flight = flights.recv() => match flight {
                Some(flight) => under_way.push(flight),
                None => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use change_engine::delivery::{Key, Start};
    use event_model::{
        Sequence,
        delivery::{Attempt, Outcome, Payload},
    };
    use futures_util::FutureExt;
    use jiff::Timestamp;
    use tokio::{sync::Semaphore, time::timeout};

    use super::*;
    use crate::sender::Answer;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn sent(number: u64) -> Sent {
        let payload = Payload::Test { id: "evt_1".parse().expect("id"), body: String::new() };
        let start = Start { key: Key::Event(Sequence(number)), payload: Arc::new(payload) };
        let attempt = Attempt { at: Timestamp::UNIX_EPOCH, duration_ms: 0, outcome: Outcome::Timeout };
        Sent { start, logged_at: None, answer: Ok(Answer { attempt, retry_after: None }), is_probe: false }
    }

    /// `count` attempts, each of which ends by a permit of the answer.
    fn begun(count: u64, is_alone: bool) -> (Sends, Arc<Semaphore>) {
        let (mut sends, answers) = (Sends::default(), Arc::new(Semaphore::new(0)));
        for number in 0..count {
            let answers = Arc::clone(&answers);
            let flight = async move {
                answers.acquire().await.expect("open").forget();
                sent(number)
            };
            sends.push(flight.boxed(), is_alone);
        }
        (sends, answers)
    }

    #[tokio::test]
    async fn who_is_alone_with_much_work_has_a_crew_and_nobody_else() {
        for (count, is_alone, away) in [(8, true, 0), (32, true, 24), (32, false, 0)] {
            let (sends, _answers) = begun(count, is_alone);
            assert_eq!((sends.count(), sends.away), (count as usize, away), "{count} {is_alone}");
            assert_eq!(sends.crew.is_some(), away > 0);
        }
    }

    #[tokio::test]
    async fn each_attempt_ends_once_wherever_it_ran() {
        let (mut sends, answers) = begun(32, true);
        answers.add_permits(32);
        let mut ended = Vec::new();
        while let Some(sent) = timeout(PATIENCE, sends.next()).await.expect("in time") {
            ended.push(sent.start.key);
        }
        ended.sort();
        assert_eq!(ended, (0..32).map(|number| Key::Event(Sequence(number))).collect::<Vec<_>>());
        assert!(sends.is_empty());
        sends.dismiss_crew();
        assert!(sends.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_cleared_or_dropped_is_under_way_nowhere() {
        for clear in [true, false] {
            let (mut sends, answers) = begun(32, true);
            tokio::task::yield_now().await;
            assert!(timeout(Duration::ZERO, sends.next()).await.is_err(), "nothing has ended");
            assert_eq!(Arc::strong_count(&answers), 33);
            if clear {
                sends.clear().await;
                assert!(sends.is_empty() && sends.next().await.is_none());
            } else {
                drop(sends);
                let gone = async {
                    while Arc::strong_count(&answers) > 1 {
                        tokio::task::yield_now().await;
                    }
                };
                timeout(PATIENCE, gone).await.expect("dropped with it");
            }
            assert_eq!(Arc::strong_count(&answers), 1);
        }
    }

    #[tokio::test]
    #[should_panic(expected = "an attempt went wrong")]
    async fn an_attempt_that_panics_with_the_crew_does_so_here() {
        let (mut sends, _answers) = begun(8, true);
        sends.push(async { panic!("an attempt went wrong") }.boxed(), true);
        let _ = timeout(PATIENCE, sends.next()).await;
    }
}
