//! The request ledger: how many requests may be under way or freshly answered.
//!
//! The upstream allows so many requests in any 10 s and so many in any 60 s, counted over any window of **its** clock as it
//! sees them arrive. When a request arrives is unknown here: only that it is between our send and the answer.
//!
//! **Rule.** A slot is taken at send and held until one window after the answer. A request is sent only while fewer than
//! N slots are held.
//!
//! **Theorem.** No half-open window of length W on the server's clock holds more than N arrivals, whatever the latency.
//!
//! *Proof.* Let k arrivals lie in one window, so that any two are less than W apart, and let S be the moment at which the
//! last of their slots was taken. Take any of the k, arrived at a and answered at r, so a ≤ r. Its slot was taken by S. It
//! is released at r + W ≥ a + W, and a + W is later than the arrival of the request whose slot was taken last, which is
//! later than S. So at S its slot was held. All k slots were held at S at once, and the rule never lets more than N be:
//! k ≤ N. ∎
//!
//! What the proof leans on, and what is done about it:
//!
//! - *An answer comes.* When none does, the slot is held until the connection is known to be closed, then for
//!   [`IN_FLIGHT`] (bytes that had left may still arrive), then for the window.
//! - *A restart does not forget.* The record is on disk before a request is sent; requests that it shows as open belong to
//!   a dead process, so their connections are closed at the restart at the latest.
//! - *Clocks run alike.* Only lengths of time are compared, never the two clocks; their rates may differ by what
//!   [`WINDOW_MARGIN`] covers.
//! - *Our clock does not jump forward.* The shell feeds a clock that follows a monotonic one. It may step back (between two
//!   processes): then no slot is held for longer than a full window from the new time, so an hour's step costs at most a minute.
//!
//! - *The limits stand still.* They do not: after a 429 our share of them falls, later it recovers (`share`). The proof
//!   compares with the N in force at S, when the last of the k slots was taken. So a window holds at most as many arrivals as
//!   the limit allowed when the last of their slots was taken: from a lowering on, no window that a new request is part of
//!   holds more than the new limit, however many were sent under the old one; a raised limit counts at once.
//!
//! Rejected: buckets refilled at a rate (twice the limit from cold), and a log of send times (late arrivals pile up on
//! early ones; the tests show it).

#[cfg(test)]
mod model;
mod share;
#[cfg(test)]
mod tests;

use event_model::status::{BudgetStatus, WindowStatus};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::share::Share;
pub use self::share::{LEAST_SHARE, RECOVERY_STEP, ShareChanged};

/// The lengths of the windows, in seconds, shortest first (reference section 1.7).
pub const WINDOWS_S: [u32; 2] = [10, 60];

/// Added to each window: 500 ppm of difference in rate over 60 s (the most that a disciplined clock is slewed) is 30 ms,
/// and a server may count in whole milliseconds with both ends included.
pub const WINDOW_MARGIN: SignedDuration = SignedDuration::from_millis(50);

/// How long bytes of a closed connection may still be on their way: a few retransmissions by a kernel or a proxy.
pub const IN_FLIGHT: SignedDuration = SignedDuration::from_secs(5);

/// Longest pause, so that no absurd date keeps an account silent for days.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(15);

/// Most slots per window, whatever is configured: the record is written before each request and must stay small.
const MAX_SLOTS: u32 = 512;

/// How many slots there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    upstream: [u32; WINDOWS_S.len()],
    slots: [u32; WINDOWS_S.len()],
    share: f64,
}

impl Limits {
    /// `share` (0 to 1) of `per_10s` and `per_60s` requests, rounded down, at least 1 and at most 512 each.
    pub fn new(per_10s: u32, per_60s: u32, share: f64) -> Self {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        // The cast saturates and cuts: a limit is never rounded up.
        let scaled = |limit: u32| ((f64::from(limit) * share) as u32).clamp(1, MAX_SLOTS);
        Self { upstream: [per_10s, per_60s], slots: [scaled(per_10s), scaled(per_60s)], share }
    }

    /// So much of these.
    fn part(self, part: f64) -> Self {
        let [per_10s, per_60s] = self.upstream;
        Self::new(per_10s, per_60s, self.share * part)
    }

    /// Slots of the 10 s window.
    pub const fn per_10s(self) -> u32 {
        self.slots[0]
    }

    /// Slots of the 60 s window.
    pub const fn per_60s(self) -> u32 {
        self.slots[1]
    }
}

/// A slot that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotId(u64);

/// Why no slot can be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wait {
    /// One can be had at this time.
    Until(Timestamp),
    /// A request must be answered first. Ask again after any answer, and not before this time in any case.
    ForAnswer {
        /// One could be had then if the answer came now.
        not_before: Timestamp,
    },
}

impl Wait {
    /// No request before this.
    pub const fn not_before(self) -> Timestamp {
        match self {
            Self::Until(at) | Self::ForAnswer { not_before: at } => at,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    id: SlotId,
    /// The latest moment at which the request can have arrived; `None` while it is open.
    arrived_by: Option<Timestamp>,
}

/// What must survive a restart. At most as many slots as the largest limits that ever wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    slots: Vec<Slot>,
    next_id: u64,
    paused_until: Option<Timestamp>,
    #[serde(default)]
    share: Share,
}

/// The ledger. Every call tells it the time.
#[derive(Clone, Debug)]
pub struct Ledger {
    configured: Limits,
    /// What is in force: the configured ones times the share.
    limits: Limits,
    record: Record,
    /// The share that was told last.
    told: f64,
}

impl Ledger {
    /// An empty ledger, for a credential pair that was never used.
    pub fn new(limits: Limits) -> Self {
        Self { configured: limits, limits, record: Record::default(), told: limits.share }
    }

    /// The ledger of a dead process, taken over at `now`: its open requests count as closed without an answer. The limits
    /// may be others than before; slots held beyond them stay held.
    pub fn restarted(limits: Limits, record: Record, now: Timestamp) -> Self {
        let in_force = limits.part(record.share.part());
        let mut ledger = Self { configured: limits, limits: in_force, record, told: limits.share };
        ledger.settle(now);
        for slot in ledger.record.slots.iter_mut().filter(|slot| slot.arrived_by.is_none()) {
            slot.arrived_by = Some(add(now, IN_FLIGHT));
        }
        ledger
    }

    /// What to write down before the request of a new slot is sent, and some time after any other call.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The limits in force.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes a slot for a request that is sent after this call and after the record is on disk.
    pub fn try_take(&mut self, now: Timestamp) -> Result<SlotId, Wait> {
        self.settle(now);
        if let Some(wait) = self.wait(now) {
            return Err(wait);
        }
        let id = SlotId(self.record.next_id);
        self.record.next_id += 1;
        self.record.slots.push(Slot { id, arrived_by: None });
        Ok(id)
    }

    /// The request of `slot` was answered. A slot that is not open is left as it is.
    pub fn answered(&mut self, slot: SlotId, now: Timestamp) {
        self.settle(now);
        self.close(slot, now);
    }

    /// The request of `slot` was answered, and the answer was that there were too many: our share of the limits falls, unless
    /// it has fallen since the request was sent. Some other program uses the pair, or the upstream counts otherwise than we do.
    pub fn limited(&mut self, slot: SlotId, now: Timestamp) {
        self.settle(now);
        self.close(slot, now);
        self.record.share.limited(slot.0, self.record.next_id, now);
        self.limits = self.configured.part(self.record.share.part());
    }

    /// How our share changed since this was last asked, if it did.
    pub fn share_changed(&mut self) -> Option<ShareChanged> {
        let from = std::mem::replace(&mut self.told, self.limits.share);
        (from != self.told).then_some(ShareChanged { from, to: self.told })
    }

    /// The connection of `slot` is closed, and no answer came.
    pub fn closed_without_answer(&mut self, slot: SlotId, now: Timestamp) {
        self.settle(now);
        self.close(slot, add(now, IN_FLIGHT));
    }

    /// No request before `until`: the upstream said that it has seen too many. At most 15 minutes from `now`.
    pub fn pause_until(&mut self, until: Timestamp, now: Timestamp) {
        self.settle(now);
        let until = until.min(add(now, LONGEST_PAUSE));
        self.record.paused_until = self.record.paused_until.max(Some(until));
    }

    /// The end of the pause, which may have passed.
    pub const fn paused_until(&self) -> Option<Timestamp> {
        self.record.paused_until
    }

    /// How the budget stands, for people and metrics.
    pub fn status(&mut self, now: Timestamp) -> BudgetStatus {
        self.settle(now);
        let windows = WINDOWS_S.iter().zip(self.limits.slots).map(|(&window_s, limit)| {
            let used = self.held(window_s, now).count();
            WindowStatus { window_s, used: u32::try_from(used).unwrap_or(u32::MAX), limit }
        });
        BudgetStatus {
            windows: windows.collect(),
            share: self.limits.share,
            configured_share: self.configured.share,
            last_limited_at: self.record.share.last_limited_at(),
            next_start_at: self.wait(now).map(Wait::not_before),
        }
    }

    fn close(&mut self, id: SlotId, arrived_by: Timestamp) {
        if let Some(slot) = self.record.slots.iter_mut().find(|slot| slot.id == id && slot.arrived_by.is_none()) {
            slot.arrived_by = Some(arrived_by);
        }
    }

    /// Brings the ledger to `now`: drops what no window holds any more, and bounds what a clock that has stepped back since
    /// left in the future. What was left of such a hold was at most a full one, so a full one from now on is enough. Limits
    /// recover as time passes without a 429.
    fn settle(&mut self, now: Timestamp) {
        let longest = WINDOWS_S[WINDOWS_S.len() - 1];
        let record = &mut self.record;
        for at in record.slots.iter_mut().filter_map(|slot| slot.arrived_by.as_mut()) {
            *at = (*at).min(add(now, IN_FLIGHT));
        }
        record.slots.retain(|slot| slot.arrived_by.is_none_or(|at| release(at, longest) > now));
        let pause = record.paused_until.filter(|until| *until > now);
        record.paused_until = pause.map(|until| until.min(add(now, LONGEST_PAUSE)));
        if record.share.settle(now) {
            self.limits = self.configured.part(record.share.part());
        }
    }

    fn held(&self, window_s: u32, now: Timestamp) -> impl Iterator<Item = &Slot> {
        self.record.slots.iter().filter(move |slot| slot.arrived_by.is_none_or(|at| release(at, window_s) > now))
    }

    /// `None`: a slot can be had now.
    fn wait(&self, now: Timestamp) -> Option<Wait> {
        let windows = WINDOWS_S.iter().zip(self.limits.slots);
        let full = windows.filter_map(|(&window_s, limit)| self.wait_for(window_s, limit, now));
        let paused = self.record.paused_until.filter(|until| *until > now).map(Wait::Until);
        full.chain(paused).reduce(|a, b| {
            let not_before = a.not_before().max(b.not_before());
            match (a, b) {
                (Wait::Until(_), Wait::Until(_)) => Wait::Until(not_before),
                _ => Wait::ForAnswer { not_before },
            }
        })
    }

    fn wait_for(&self, window_s: u32, limit: u32, now: Timestamp) -> Option<Wait> {
        let mut held: Vec<Option<Timestamp>> = self.held(window_s, now).map(|slot| slot.arrived_by).collect();
        let excess = held.len().checked_sub(limit as usize)?;
        // The first to be released come first, the open ones last.
        held.sort_by_key(|at| at.unwrap_or(Timestamp::MAX));
        Some(match held[excess] {
            Some(at) => Wait::Until(release(at, window_s)),
            None => Wait::ForAnswer { not_before: release(now, window_s) },
        })
    }
}

fn release(arrived_by: Timestamp, window_s: u32) -> Timestamp {
    add(arrived_by, SignedDuration::from_secs(window_s.into()) + WINDOW_MARGIN)
}

fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
