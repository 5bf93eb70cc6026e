//! The task behind the living tenant, and the one that keeps it running.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

use crate::sim::Sim;
use crate::world::{By, Moment};

/// Before a life that ended in a panic is started again.
const RESTART_AFTER: Duration = Duration::from_millis(200);
/// A life that is this far behind its plan (the machine slept) goes on from now instead of catching up.
const MAX_BEHIND: Duration = Duration::from_secs(5);
/// How long one wait lasts when life stands still, or nearly; a change of pace ends it at once.
const STANDSTILL: Duration = Duration::from_secs(86_400);
/// Mixed into the seed: what happens next, and when, are drawn apart, so that a change of pace does not change the choice.
const CHOICE_STREAM: u64 = 0x6c69_6665;
const TIMING_STREAM: u64 = 0x7061_6365;

/// Runs the living tenant until shutdown; starts it again when it panics.
pub(crate) async fn supervise(sim: Arc<Sim>) {
    let choice = Arc::new(Mutex::new(StdRng::seed_from_u64(sim.config.seed ^ CHOICE_STREAM)));
    keep_running(&sim, || live(Arc::clone(&sim), Arc::clone(&choice))).await;
}

async fn keep_running<Life>(sim: &Sim, start: impl Fn() -> Life)
where
    Life: Future<Output = ()> + Send + 'static,
{
    while let Err(failure) = tokio::spawn(start()).await {
        tracing::error!(%failure, "the living tenant stopped; starting it again");
        sim.counters().life_restarts += 1;
        tokio::select! {
            () = sim.shutdown.cancelled() => return,
            () = tokio::time::sleep(RESTART_AFTER) => {}
        }
    }
}

async fn live(sim: Arc<Sim>, choice: Arc<Mutex<StdRng>>) {
    let mut timing = StdRng::seed_from_u64(sim.config.seed ^ TIMING_STREAM);
    let mut pace = sim.pace.subscribe();
    let start = Instant::from_std(sim.started);
    let mut planned = Instant::now();
    loop {
        let per_minute = *pace.borrow_and_update();
        let interval = if per_minute > 0.0 { interval(per_minute, &mut timing) } else { STANDSTILL };
        if planned.elapsed() > MAX_BEHIND {
            planned = Instant::now();
        }
        planned += interval;
        tokio::select! {
            () = sim.shutdown.cancelled() => return,
            changed = pace.changed() => {
                if changed.is_err() { return; }
                planned = Instant::now();
                continue;
            }
            () = tokio::time::sleep_until(planned) => {}
        }
        if per_minute <= 0.0 {
            continue;
        }
        let moment = Moment { since_start: planned.duration_since(start), ..sim.moment(By::Life) };
        let mix = sim.settings().life;
        let mut choice = choice.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = sim.world().live(&mut choice, mix, moment) {
            tracing::debug!(n = record.n, entity = record.entity, change = ?record.change, "a change of life");
        }
    }
}

/// The time to the next change: half to one and a half of the mean.
fn interval(per_minute: f64, timing: &mut StdRng) -> Duration {
    let seconds = 60.0 / per_minute * timing.random_range(0.5..1.5);
    Duration::try_from_secs_f64(seconds).map_or(STANDSTILL, |interval| interval.min(STANDSTILL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SimConfig;
    use jiff::Timestamp;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_life_that_panics_is_started_again() {
        let config = SimConfig { reports: 0, ..SimConfig::default() };
        let sim = Sim::new(config, Timestamp::now(), std::time::Instant::now()).unwrap();
        let lives = Arc::new(AtomicU32::new(0));
        let start = || {
            let lives = Arc::clone(&lives);
            async move { assert!(lives.fetch_add(1, Ordering::SeqCst) > 0, "the first life ends badly") }
        };
        keep_running(&sim, start).await;
        assert_eq!(lives.load(Ordering::SeqCst), 2);
        assert_eq!(sim.snapshot().life_restarts, 1);
    }

    #[test]
    fn the_pace_is_the_mean_of_what_is_drawn() {
        let mut timing = StdRng::seed_from_u64(1);
        let total: Duration = (0..2_000).map(|_| interval(30.0, &mut timing)).sum();
        assert!((3_900..4_100).contains(&total.as_secs()), "{total:?}");
        assert_eq!(interval(1e-300, &mut timing), STANDSTILL);
    }
}
