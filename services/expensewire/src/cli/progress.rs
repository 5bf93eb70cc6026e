//! How far something is, on standard error: one line that changes for a person who watches, else a line now and then. It is
//! never part of the output.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// Between two lines where no terminal is: enough for the log of a job, and no flood.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// A line of progress.
pub(super) struct Progress {
    terminal: bool,
    shown: String,
    told_at: Option<Instant>,
}

impl Progress {
    pub fn new() -> Self {
        Self { terminal: stderr().is_terminal(), shown: String::new(), told_at: None }
    }

    /// Shows `text` in the place of what was shown before.
    pub fn tell(&mut self, text: &str) {
        if text == self.shown {
            return;
        }
        let due = self.told_at.is_none_or(|at| at.elapsed() >= BETWEEN_LINES);
        if self.terminal {
            // Blanks cover what was longer before; a terminal that knows no escapes understands them too.
            let width = self.shown.chars().count();
            eprint!("\r{text:<width$}");
            let _ = stderr().flush();
        } else if due {
            eprintln!("{text}");
        } else {
            return;
        }
        self.told_at = Some(Instant::now());
        text.clone_into(&mut self.shown);
    }

    /// Leaves the line standing and begins a new one.
    pub fn end(&mut self) {
        if self.terminal && !self.shown.is_empty() {
            eprintln!();
        }
        self.shown.clear();
        self.told_at = None;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
