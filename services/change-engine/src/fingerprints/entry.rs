//! One report in 52 bytes.

use event_model::{ReportState, Whereabouts};
use jiff::{Timestamp, ToSpan, civil};

use super::{DIGEST_BYTES, names::Names};

/// Bytes of an id that stands in the entry itself.
pub(super) const INLINE_BYTES: usize = 15;
/// The length of an id that is interned.
const INTERNED: u8 = u8::MAX;
/// Before any read.
const NEVER: i64 = i64::MIN;
/// No policy.
const NO_POLICY: u32 = u32::MAX;
/// No day, or one outside of what is kept (1970 to 2149).
const NO_DAY: u16 = u16::MAX;
/// Day 0.
const EPOCH: civil::Date = civil::date(1970, 1, 1);

/// The low bits of `flags`: the state.
const STATE_BITS: u8 = 0b0111;
/// The digest is that of the object in the log.
const UNREAD: u8 = 0b0100_0000;
/// The report is removed.
const GONE: u8 = 0b1000_0000;
/// A state that is kept as "another".
const OTHER_STATE: u8 = 6;

/// States by their number; 0 is "not known".
const STATES: [ReportState; 5] =
    [ReportState::Open, ReportState::Submitted, ReportState::Approved, ReportState::Reimbursed, ReportState::Archived];

/// An id: up to 15 bytes and their number, or the place of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id([u8; INLINE_BYTES + 1]);

impl Id {
    /// `id` itself, when it is short enough.
    pub(super) fn inline(id: &str) -> Option<Self> {
        let mut bytes = [0; INLINE_BYTES + 1];
        bytes.get_mut(..id.len()).filter(|_| id.len() <= INLINE_BYTES)?.copy_from_slice(id.as_bytes());
        bytes[INLINE_BYTES] = id.len() as u8;
        Some(Self(bytes))
    }

    /// The id of this name.
    pub(super) fn interned(name: u32) -> Self {
        let mut bytes = [0; INLINE_BYTES + 1];
        bytes[..4].copy_from_slice(&name.to_le_bytes());
        bytes[INLINE_BYTES] = INTERNED;
        Self(bytes)
    }

    fn text<'a>(&'a self, names: &'a Names) -> &'a str {
        let bytes = &self.0;
        match bytes[INLINE_BYTES] {
            INTERNED => names.name(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
            length => std::str::from_utf8(&bytes[..usize::from(length)]).expect("it was copied from a text"),
        }
    }
}

/// What is kept of a report. Packed: see the constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    /// Start of the read that last judged it, in microseconds; as bytes, so that no room is lost to alignment.
    as_of: [u8; 8],
    /// From that start to its answer, in milliseconds rounded up: 49 days at most.
    took_ms: u32,
    pub(super) digest: [u8; DIGEST_BYTES],
    /// The number of the read that last saw it.
    pub(super) seen_by: u32,
    policy: u32,
    day: u16,
    flags: u8,
}

const _: () = assert!(size_of::<Entry>() == 52);

impl Entry {
    pub(super) fn new(id: Id) -> Self {
        let (as_of, digest) = (NEVER.to_le_bytes(), [0; DIGEST_BYTES]);
        Self { id, as_of, took_ms: 0, digest, seen_by: 0, policy: NO_POLICY, day: NO_DAY, flags: 0 }
    }

    pub(super) fn as_of_us(&self) -> i64 {
        i64::from_le_bytes(self.as_of)
    }

    /// When the read that last judged it had its answer, or up to a millisecond later.
    pub(super) fn rendered_us(&self) -> i64 {
        self.as_of_us().saturating_add(i64::from(self.took_ms) * 1_000)
    }

    pub(super) fn set_times(&mut self, started_us: i64, rendered_us: i64) {
        let took_us = rendered_us.saturating_sub(started_us).max(0) as u64;
        self.as_of = started_us.to_le_bytes();
        self.took_ms = u32::try_from(took_us.div_ceil(1_000)).unwrap_or(u32::MAX);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.flags & GONE != 0
    }

    pub(super) fn set_gone(&mut self, gone: bool) {
        self.flags = if gone { self.flags | GONE } else { self.flags & !GONE };
    }

    pub(super) fn is_unread(&self) -> bool {
        self.flags & UNREAD != 0
    }

    pub(super) fn set_unread(&mut self, unread: bool) {
        self.flags = if unread { self.flags | UNREAD } else { self.flags & !UNREAD };
    }

    pub(super) fn forget_times(&mut self) {
        (self.as_of, self.took_ms) = (NEVER.to_le_bytes(), 0);
    }

    pub(super) fn set_whereabouts(&mut self, policy: Option<u32>, whereabouts: &Whereabouts) {
        let number = |state: &ReportState| {
            let known = (1..).zip(&STATES).find(|(_, known)| *known == state);
            known.map_or(OTHER_STATE, |(number, _)| number)
        };
        let state = whereabouts.state.as_ref().map_or(0, number);
        self.flags = (self.flags & !STATE_BITS) | state;
        self.policy = policy.unwrap_or(NO_POLICY);
        let days = |day: civil::Date| u16::try_from(day.duration_since(EPOCH).as_hours() / 24).ok();
        self.day = whereabouts.day.and_then(days).unwrap_or(NO_DAY);
    }
}

/// A report of the index, to look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) entry: &'a Entry,
    pub(super) names: &'a Names,
}

impl<'a> View<'a> {
    /// Its id.
    pub fn id(&self) -> &'a str {
        self.entry.id.text(self.names)
    }

    /// The policy that it is on.
    pub fn policy(&self) -> Option<&'a str> {
        (self.entry.policy != NO_POLICY).then(|| self.names.name(self.entry.policy))
    }

    /// Its state; of one that this version does not know no more than that.
    pub fn state(&self) -> Option<ReportState> {
        match self.entry.flags & STATE_BITS {
            0 => None,
            OTHER_STATE => Some(ReportState::Other(String::new())),
            number => STATES.get(usize::from(number) - 1).cloned(),
        }
    }

    /// The later of the days on which it was created and submitted; `None` also when that is before 1970 or after 2149.
    pub fn day(&self) -> Option<civil::Date> {
        let day = self.entry.day;
        (day != NO_DAY).then(|| EPOCH.saturating_add(i32::from(day).days()))
    }

    /// Start of the read that last judged it; `None` when none has since the index was loaded.
    pub fn as_of(&self) -> Option<Timestamp> {
        let as_of_us = self.entry.as_of_us();
        Timestamp::from_microsecond(as_of_us).ok().filter(|_| as_of_us != NEVER)
    }

    /// Where it stands.
    pub fn whereabouts(&self) -> Whereabouts {
        let policy = self.policy().map(str::to_owned);
        Whereabouts { policy, state: self.state(), day: self.day(), ..Whereabouts::default() }
    }
}
