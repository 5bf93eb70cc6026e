//! How long a doctor waits for others, in all. Nobody who does not answer holds it up beyond that: not the upstream, not an
//! endpoint, not the service that it asks.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::check::Check;

/// The time that there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    limit: Duration,
    end: Instant,
}

/// No answer came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeUp {
    /// This one did not end in its own time.
    Silent {
        /// That time.
        waited: Duration,
    },
    /// The time of the whole doctor was over.
    Over {
        /// That time.
        limit: Duration,
    },
}

impl Patience {
    /// `limit` from now on.
    pub fn begin(limit: Duration) -> Self {
        Self { limit, end: Instant::now() + limit }
    }

    /// Waits for `work`, at most so long, and no longer than there is time.
    pub async fn wait<T>(self, at_most: Duration, work: impl Future<Output = T>) -> Result<T, TimeUp> {
        let own = Instant::now() + at_most;
        let answered = timeout_at(own.min(self.end), work).await;
        answered.map_err(|_elapsed| if own < self.end { TimeUp::Silent { waited: at_most } } else { self.over() })
    }

    /// Waits for `work` as long as there is time.
    pub async fn rest<T>(self, work: impl Future<Output = T>) -> Result<T, TimeUp> {
        timeout_at(self.end, work).await.map_err(|_elapsed| self.over())
    }

    fn over(self) -> TimeUp {
        TimeUp::Over { limit: self.limit }
    }
}

impl TimeUp {
    /// What could not be found out, and whose fault that is: who had time and was silent fails; of whom there was no time to
    /// hear, nothing is known.
    pub fn check(self, name: &'static str) -> Check {
        match self {
            Self::Silent { waited } => Check::fail(name, format!("no answer within {} s", waited.as_secs())),
            Self::Over { limit } => {
                Check::warn(name, format!("not found out: the {} s that the doctor has were over", limit.as_secs()))
                    .next("give it more by --timeout, or leave out by --skip what is slow")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::{super::check::State, *};

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_beyond_his_own_time_nor_beyond_that_of_the_doctor() {
        let patience = Patience::begin(Duration::from_secs(10));
        assert_eq!(patience.wait(Duration::from_secs(4), async { 7 }).await, Ok(7));
        let silent = patience.wait(Duration::from_secs(4), pending::<()>()).await.unwrap_err();
        assert_eq!(silent, TimeUp::Silent { waited: Duration::from_secs(4) });
        assert_eq!(silent.check("template").state, State::Fail);
        for _ in 0..2 {
            let over = patience.wait(Duration::from_secs(7), pending::<()>()).await.unwrap_err();
            let told = over.check("template");
            assert!(told.state == State::Warn && told.what.contains("the 10 s"), "{told:?}");
        }
        assert_eq!(patience.rest(pending::<()>()).await, Err(TimeUp::Over { limit: Duration::from_secs(10) }));
        assert_eq!(Instant::now().duration_since(patience.end), Duration::ZERO, "no wait was any longer");
    }
}
