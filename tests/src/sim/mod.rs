//! A simulation of the whole: the engine, the scribe and the store, a model of the upstream and a model of a subscriber, on a
//! simulated clock. A seed decides everything; the same seed gives the same run, to the byte.
//!
//! # What is real
//!
//! `change-engine` (plan, ledger, fingerprints, diff, absence, outbox), `poller::Scribe` and `event-store` on an engine in
//! memory that can lose power. What is not: the network and the two shells around these parts. `service` stands in their
//! place and does their writes in their order; the shells themselves are tested over real HTTP elsewhere.
//!
//! # What is held
//!
//! `reference` knows what was true at every moment and what each read showed. Nothing is said that did not happen, nothing
//! is removed that is only out of sight, everything that happened is said once all is calm, and the subscriber gets every
//! event at least once, those of one entity in order. No window of the upstream's clock holds more requests than it may, and
//! every ERROR that anything logs fails the run.
//!
//! # Why no runtime with a paused clock
//!
//! The store has a thread of its own; a runtime that skips time when it is idle would skip it while that thread works. So time
//! is a number here, and reads and deliveries are small machines that a list of things to do moves on (`run`).

mod alarms;
mod chance;
mod clock;
pub mod coverage;
mod reference;
mod run;
mod service;
mod subscriber;
mod trace;
mod upstream;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use self::run::Run;

/// One run at a time: what is logged belongs to the run that lasts.
static TURN: Mutex<()> = Mutex::new(());

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// A hash of everything that happened.
    pub digest: String,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// The rule that did not hold, if one did not.
    pub failure: Option<Failure>,
}

/// A rule that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step of the run.
    pub step: u64,
    /// The rule.
    pub rule: &'static str,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub said: String,
    /// The last things that happened.
    pub last: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.last {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {} failed at step {}: {}", self.seed, self.step, self.rule)?;
        writeln!(f, "  expected: {}", self.expected)?;
        write!(f, "  said:     {}", self.said)
    }
}

/// Runs `seed`; with `echo`, what happens is printed as it does.
///
/// It takes the process's `tracing` subscriber, and waits for another run to end.
pub fn run(seed: u64, echo: bool) -> Outcome {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    alarms::install();
    let _stale = alarms::take();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    let mut run = Run::new(seed, echo);
    let ended = runtime.block_on(run.play());
    let failure = ended.err().map(|broken| Failure {
        seed,
        step: run.trace.step(),
        rule: broken.rule,
        expected: broken.expected,
        said: broken.said,
        last: run.trace.last(),
    });
    Outcome { seed, digest: run.trace.digest(), counts: run.trace.counts().clone(), failure }
}
