//! Whose turn it is among the paced ones.

use jiff::{SignedDuration, Timestamp};

use super::{cap::Caps, watch::Planned};

/// The paced watches that may be read now, the one with the least time left until its cap first.
pub(super) struct Turn<'a, K> {
    ready: Vec<Ready<'a, K>>,
    caps: Caps,
}

struct Ready<'a, K> {
    key: &'a K,
    planned: &'a Planned,
    left: SignedDuration,
    index: f64,
}

impl<'a, K> Turn<'a, K> {
    pub(super) fn of(ready: impl Iterator<Item = (&'a K, &'a Planned)>, caps: Caps, now: Timestamp) -> Self {
        let mut ready: Vec<_> = ready
            .map(|(key, planned)| Ready {
                key,
                planned,
                left: caps.left(planned, now),
                index: caps.index(planned, now),
            })
            .collect();
        ready.sort_by_key(|ready| ready.left);
        Self { ready, caps }
    }

    /// The next: the one whose deadline presses, else the one that is most overdue by the index rule.
    pub(super) fn next(&self) -> Option<(&'a K, &'a Planned)> {
        let next = match self.caps.press(self.deadlines(), SignedDuration::ZERO) {
            true => self.ready.first(),
            false => self.ready.iter().max_by(|a, b| a.index.total_cmp(&b.index)),
        };
        next.map(|ready| (ready.key, ready.planned))
    }

    /// Whether the deadlines leave no room for something else that takes `ahead` before the next of these.
    pub(super) fn presses(&self, ahead: SignedDuration) -> bool {
        self.caps.press(self.deadlines(), ahead)
    }

    fn deadlines(&self) -> impl Iterator<Item = (SignedDuration, &Planned)> {
        self.ready.iter().map(|ready| (ready.left, ready.planned))
    }
}
