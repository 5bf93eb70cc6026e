//! What is to happen when.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::sim::clock::Moment;

/// Something that is to happen. What belongs to a process names it, and is void when that process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// Something changes at the upstream.
    Mutate,
    /// The credential's sight changes.
    Trouble,
    /// A process starts.
    Restart,
    /// The process is killed.
    Kill,
    /// One of the next commits fails.
    Sabotage,
    /// From here on everything is in sight and nothing fails.
    Calm,
    /// Has everything been said?
    Rest,
    /// The plan is asked.
    Tick(u32),
    /// A slot may be free.
    Gate(u32),
    /// The answer to a read's request is there.
    Answer(u32, u64),
    /// Rows of a read come in.
    Rows(u32, u64),
    /// The courier takes its turn.
    Courier(u32),
    /// A delivery arrives at the subscriber, whatever has become of the process that sent it.
    Arrive(u32, u64),
    /// The end of a delivery is known to the courier.
    Posted(u32, u64),
}

/// Tasks in the order of their times; those of one time in the order in which they were put.
#[derive(Default)]
pub(super) struct Agenda {
    tasks: BinaryHeap<Reverse<(Moment, u64, Task)>>,
    put: u64,
}

impl Agenda {
    /// `task` is to happen at `at`.
    pub fn put(&mut self, at: Moment, task: Task) {
        self.put += 1;
        self.tasks.push(Reverse((at, self.put, task)));
    }

    /// What happens next, and when.
    pub fn next(&mut self) -> Option<(Moment, Task)> {
        self.tasks.pop().map(|Reverse((at, _, task))| (at, task))
    }
}
