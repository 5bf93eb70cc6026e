//! One check and how it came out.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It holds.
    Ok,
    /// It was left out, or could not be made yet.
    Skipped,
    /// It holds, and will not for long, or not as it should.
    Warn,
    /// It does not hold.
    Fail,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    pub const ALL: [Self; 4] = [Self::Ok, Self::Skipped, Self::Warn, Self::Fail];
}

/// A number that a check found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Measure {
    /// Its name, with its unit last, as metrics have it.
    pub name: &'static str,
    pub value: f64,
}

/// One check: what was found, why that matters, what to do next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Check {
    pub name: &'static str,
    /// Of which account, subscription or directory.
    pub about: Option<String>,
    #[serde(rename = "status")]
    pub state: State,
    pub what: String,
    pub why: Option<String>,
    pub next: Option<String>,
    pub measure: Option<Measure>,
}

impl Check {
    fn new(name: &'static str, state: State, what: impl Into<String>) -> Self {
        Self { name, about: None, state, what: what.into(), why: None, next: None, measure: None }
    }

    pub fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self::new(name, State::Ok, what)
    }

    pub fn skipped(name: &'static str, what: impl Into<String>) -> Self {
        Self::new(name, State::Skipped, what)
    }

    pub fn warn(name: &'static str, what: impl Into<String>) -> Self {
        Self::new(name, State::Warn, what)
    }

    pub fn fail(name: &'static str, what: impl Into<String>) -> Self {
        Self::new(name, State::Fail, what)
    }

    #[must_use]
    pub fn about(mut self, about: impl ToString) -> Self {
        self.about = Some(about.to_string());
        self
    }

    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into()).filter(|why| !why.is_empty());
        self
    }

    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    #[must_use]
    pub fn measure(mut self, name: &'static str, value: f64) -> Self {
        self.measure = Some(Measure { name, value });
        self
    }
}

/// All of them, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Check>);

impl Report {
    pub fn add(&mut self, check: Check) {
        self.0.push(check);
    }

    pub fn checks(&self) -> &[Check] {
        &self.0
    }

    pub fn count(&self, state: State) -> usize {
        self.0.iter().filter(|check| check.state == state).count()
    }

    /// The worst that was found.
    pub fn worst(&self) -> State {
        self.0.iter().map(|check| check.state).filter(|state| *state != State::Skipped).max().unwrap_or(State::Ok)
    }
}
