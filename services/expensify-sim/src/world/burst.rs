//! Several changes between two reads.
//!
//! They are made under one lock, so no read can come between them, and dated back so that the last is made now and the
//! others before it. None is dated before what is known already: the newest read, which did not show it, and the newest
//! record of the journal, whose times never run backwards. Where that leaves too little time they stand closer together.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::trigger::Trigger;
use super::{Moment, World};
use crate::error::ControlError;
use crate::journal::Record;

/// Changes in one burst; more are a pace, not a burst.
const MAX_CHANGES: usize = 1_000;

/// Several changes to make at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// In this order.
    pub changes: Vec<Trigger>,
    /// How long before one another they are dated, as far as there is time.
    #[serde(default = "a_second")]
    pub apart_ms: u64,
}

fn a_second() -> u64 {
    1_000
}

impl Burst {
    /// These changes, a second apart.
    pub fn of(changes: Vec<Trigger>) -> Self {
        Self { changes, apart_ms: a_second() }
    }
}

impl World {
    /// Makes the changes and gives every record that they made. The first that cannot be made ends the burst; those
    /// before it stand.
    ///
    /// # Errors
    /// That change's, with its place in the burst.
    pub(crate) fn burst(&mut self, burst: &Burst, now: Moment) -> Result<Vec<Record>, ControlError> {
        if burst.changes.len() > MAX_CHANGES {
            return Err(ControlError::Invalid(format!("a burst has {MAX_CHANGES} changes at most")));
        }
        let before = self.journal.last();
        let skew = now.server.duration_since(now.at);
        let times = self.times(burst, now.at);
        for (place, (trigger, at)) in burst.changes.iter().zip(times).enumerate() {
            let server = at.saturating_add(skew).unwrap_or(now.server);
            let made = self.trigger(trigger, Moment { at, server, ..now });
            made.map_err(|error| error.at(place + 1))?;
        }
        Ok(self.journal.after(before, usize::MAX))
    }

    fn times(&self, burst: &Burst, now: Timestamp) -> Vec<Timestamp> {
        let steps = i32::try_from(burst.changes.len().saturating_sub(1)).unwrap_or(i32::MAX);
        let known = self.journal.newest().into_iter().chain(self.newest_read).max();
        let wanted = SignedDuration::from_millis(i64::try_from(burst.apart_ms).unwrap_or(i64::MAX));
        let room = known.map_or(SignedDuration::MAX, |known| now.duration_since(known).max(SignedDuration::ZERO));
        let apart = wanted.min(room.checked_div(steps.max(1) + 1).unwrap_or(SignedDuration::ZERO));
        let before = |place: i32| now.saturating_sub(apart.saturating_mul(steps - place)).unwrap_or(now);
        (0..=steps).map(before).collect()
    }
}
