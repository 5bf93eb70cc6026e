//! A rule that does not hold.

use std::fmt::Debug;

use event_model::Event;

/// Which rule, what it wants, and what was said.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The rule, in a few words.
    pub rule: &'static str,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub said: String,
}

/// The answer of a check.
pub type Check = Result<(), Broken>;

/// `rule` is broken.
pub fn broken(rule: &'static str, expected: impl Debug, said: impl Debug) -> Broken {
    Broken { rule, expected: format!("{expected:?}"), said: format!("{said:?}") }
}

/// Holds `rule` when `holds`.
pub fn hold(holds: bool, rule: &'static str, expected: impl Debug, said: impl Debug) -> Check {
    if holds { Ok(()) } else { Err(broken(rule, expected, said)) }
}

/// An event in one line.
pub fn line(event: &Event) -> String {
    let data = &event.data;
    let previous: Vec<String> = data.previous.iter().map(|(path, before)| format!("{path} was {before}")).collect();
    format!(
        "#{} {} {} rev {} at {} ({:?}, inferred {}, by {:?}), seen {} not before {:?}: {}",
        event.sequence,
        event.event_type,
        event.subject,
        event.revision.0,
        event.timestamp,
        event.detection.timestamp_source,
        event.detection.inferred,
        event.actor,
        event.detection.observed_at,
        event.detection.not_before.map(|at| at.to_string()),
        previous.join(", ")
    )
}
