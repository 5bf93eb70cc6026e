//! What happened in a run: a hash of all of it, the last of it in words, and how often each kind of thing happened.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Display,
};

use super::clock::{Moment, START};

/// Lines that a failing run shows.
const KEPT: usize = 40;

/// The trace of one run.
pub struct Trace {
    step: u64,
    hasher: blake3::Hasher,
    last: VecDeque<String>,
    counts: BTreeMap<&'static str, u64>,
    echo: bool,
}

impl Trace {
    /// An empty trace; with `echo` every line is printed as it comes.
    pub fn new(echo: bool) -> Self {
        Self { step: 0, hasher: blake3::Hasher::new(), last: VecDeque::new(), counts: BTreeMap::new(), echo }
    }

    /// `what` happened at `at`.
    pub fn note(&mut self, at: Moment, what: impl Display) {
        self.step += 1;
        let ms = at as i64 - START as i64;
        let line = format!("{:>6} {:>10}.{:03} {what}", self.step, ms / 1_000, ms.rem_euclid(1_000));
        self.hash(line.as_bytes());
        if self.echo {
            println!("{line}");
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Takes `bytes` into the hash.
    pub fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Counts one thing of `kind`.
    pub fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// How many steps there were.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The hash of everything so far.
    pub fn digest(&self) -> String {
        self.hasher.finalize().to_hex()[..16].to_owned()
    }

    /// The last lines.
    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    /// How often each kind of thing happened.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}
