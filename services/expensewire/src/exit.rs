//! How the program ends: one code per thing that a script may want to tell apart.

use std::{fmt, io, process::ExitCode};

use crate::config::ConfigErrors;

/// The exit codes. They are part of the interface: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something that should not happen.
    Unexpected = 1,
    /// The command line, the configuration or a value in it is wrong.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// The key is missing, unknown, or may not do this.
    Permission = 4,
    /// No answer from the service.
    Unreachable = 5,
    /// What was to be checked does not hold.
    CheckFailed = 6,
    /// The thing is in a state that does not allow it.
    Conflict = 7,
    /// Too much at once: time alone helps.
    Limited = 8,
    /// Ctrl-C, as shells count it (128 + SIGINT).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked: what, why, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What went wrong, in one line.
    pub what: String,
    /// Single points of it.
    pub details: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without details.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), details: Vec::new(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Tells it on standard error, and gives the code to end with. A closed pipe is not told: its reader has enough.
    pub fn report(&self) -> Exit {
        if self.exit != Exit::Ok {
            eprintln!("{self}");
        }
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        self.details.iter().try_for_each(|detail| write!(f, "\n  {detail}"))?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// The whole chain of causes in one line.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Unexpected, format!("{error:#}"))
    }
}

/// Writing to standard output failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Ok, "standard output is closed"),
            _ => Self::new(Exit::Unexpected, format!("cannot write the output: {error}")),
        }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        let text = errors.to_string();
        let mut lines = text.lines();
        let what = lines.next().unwrap_or_default().to_owned();
        let details = lines.map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned()).collect();
        Self { exit: Exit::Usage, what, details, hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let mut failure = Failure::new(Exit::Usage, "the service refuses this").hint("see --help");
        failure.details.push("url: is required".to_owned());
        assert_eq!(failure.to_string(), "error: the service refuses this\n  url: is required\nhint: see --help");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.report(), Exit::Ok);
        assert_eq!(Failure::from(io::Error::other("disk full")).exit, Exit::Unexpected);
    }

    #[test]
    fn an_unexpected_failure_names_every_cause() {
        let error = anyhow::anyhow!("no route").context("cannot connect").context("cannot start");
        assert_eq!(Failure::from(error).what, "cannot start: cannot connect: no route");
    }
}
