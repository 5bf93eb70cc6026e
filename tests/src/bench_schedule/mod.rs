//! Must show 1 of the planner: how long a change waits under it, against the policy that knows the rates and against paced
//! round robin with the same budget. All three run the real ledger on a simulated clock.
//!
//! **What is measured.** The mean delay from a change to the end of the read that shows it. What happens between two reads
//! of a watch comes at a known rate and does not move the read that shows it (nothing of it is known before), so its mean
//! delay is an integral that needs no sampling: the quotients come from that, and hundreds of days of noise need not be
//! averaged away. The mean over the changes that happened is printed beside it.

mod chance;
mod check;
pub mod mix;
mod policy;
#[cfg(test)]
mod tests;
mod world;

use change_engine::{budget::Limits, plan};
use serde_json::{Map, Value, json};

use self::{
    mix::{Mix, Pattern},
    policy::{Knowing, Learner, Policy, RoundRobin},
    world::{Mean, Outcome, Setup, World, time},
};

/// One question to a mix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// The key in the output.
    pub key: &'static str,
    /// How changes come.
    pub pattern: Pattern,
    /// Hours before anything counts: the learner's past.
    pub past_h: f64,
    /// Hours that count.
    pub hours: f64,
    /// Watch hours to average over, past included: a mix of many watches needs fewer runs.
    pub watch_hours: f64,
    /// The mean delay may be so much over that of the policy that knows.
    pub bound: f64,
}

/// The four questions.
pub const CASES: [Case; 4] = [
    Case { key: STATIONARY, pattern: Pattern::Steady, past_h: 24.0, hours: 24.0, watch_hours: 2_400.0, bound: 1.05 },
    Case { key: "first_hour", pattern: Pattern::Steady, past_h: 0.0, hours: 1.0, watch_hours: 400.0, bound: 1.10 },
    Case { key: "bursts", pattern: Pattern::Bursts, past_h: 24.0, hours: 24.0, watch_hours: 4_800.0, bound: 1.10 },
    Case { key: "zones", pattern: Pattern::Zones, past_h: 24.0, hours: 48.0, watch_hours: 2_400.0, bound: 1.10 },
];

/// The case whose learner is also compared with round robin.
const STATIONARY: &str = "vs_optimum";
/// What the mean delay may be over that of round robin.
const ROUND_ROBIN_BOUNDS: [(&str, f64); 3] = [("small", 0.85), ("medium", 0.70), ("large", 0.65)];
/// Nothing may grow older than this.
const OLDEST_S: f64 = 900.0;

/// The sums of several runs.
#[derive(Default)]
struct Sums {
    expected: Mean,
    measured: Mean,
    oldest_s: f64,
    violations: u64,
}

impl Sums {
    fn take(&mut self, outcome: &Outcome) {
        self.expected.merge(outcome.expected);
        self.measured.merge(outcome.measured);
        self.oldest_s = self.oldest_s.max(outcome.oldest_s);
        self.violations += check::violations(&outcome.arrivals);
    }
}

/// What one case of one mix gives.
#[derive(Default)]
pub struct Figures {
    line: Map<String, Value>,
    oldest_s: f64,
    violations: u64,
    broken: Vec<String>,
}

impl Figures {
    fn check(&mut self, mix: &Mix, key: &str, value: f64, bound: f64) {
        self.line.insert(key.to_owned(), rounded(value));
        // Not a number is over every bound.
        if value.is_nan() || value > bound {
            self.broken.push(format!("{} {key}: {value:.3} is over {bound}", mix.name));
        }
    }
}

/// Asks one question to one mix.
pub fn run(mix: &Mix, case: &Case) -> Figures {
    let (mut learner, mut knowing, mut round_robin) = (Sums::default(), Sums::default(), Sums::default());
    let limits = Limits::new(5, 20, 1.0);
    let pace = plan::pace(limits);
    let until_h = case.past_h + case.hours;
    let seeds = (case.watch_hours / (until_h * mix.watches.len() as f64)).ceil().max(2.0) as u64;
    for seed in 1..=seeds {
        let (from_s, until_s) = (case.past_h * 3_600.0, until_h * 3_600.0);
        let setup = Setup { mix, pattern: case.pattern, from_s, until_s, seed };
        let run = |policy: &mut dyn Policy| World::new(&setup, limits).run(policy);
        learner.take(&run(&mut Learner::new(mix, pace)));
        knowing.take(&run(&mut Knowing::new(mix, case.pattern, time(0), pace)));
        if case.key == STATIONARY {
            round_robin.take(&run(&mut RoundRobin::new(mix, pace)));
        }
    }
    let mut figures = Figures { oldest_s: learner.oldest_s, violations: learner.violations, ..Figures::default() };
    let mean_s = learner.expected.value();
    figures.check(mix, case.key, mean_s / knowing.expected.value(), case.bound);
    if case.key == STATIONARY {
        let bound = ROUND_ROBIN_BOUNDS.iter().find(|(name, _)| *name == mix.name).map_or(1.0, |(_, bound)| *bound);
        figures.check(mix, "vs_round_robin", mean_s / round_robin.expected.value(), bound);
        figures.line.insert("mean_s".to_owned(), rounded(mean_s));
        figures.line.insert("measured_s".to_owned(), rounded(learner.measured.value()));
    }
    figures
}

/// The output line of a mix, and the bounds that do not hold.
pub fn line(mix: &Mix, cases: Vec<Figures>) -> (Value, Vec<String>) {
    let mut whole = Figures::default();
    whole.line.insert("bench".to_owned(), json!("schedule"));
    whole.line.insert("mix".to_owned(), json!(mix.name));
    for case in cases {
        whole.line.extend(case.line);
        whole.broken.extend(case.broken);
        whole.oldest_s = whole.oldest_s.max(case.oldest_s);
        whole.violations += case.violations;
    }
    whole.check(mix, "oldest_s", whole.oldest_s, OLDEST_S);
    whole.check(mix, "violations", whole.violations as f64, 0.0);
    whole.line.insert("violations".to_owned(), json!(whole.violations));
    (Value::Object(whole.line), whole.broken)
}

fn rounded(value: f64) -> Value {
    json!((value * 1_000.0).round() / 1_000.0)
}
