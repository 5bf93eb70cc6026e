//! Absence is not deletion.
//!
//! An entity that a complete read of its scope does not show is remembered as missing. It is removed when a second complete
//! read, begun at least [`CONFIRM_AFTER`] after the first that missed it, does not show it either. When too many are missing
//! at once the likely cause is a lost role or a moved domain, not so many deletions: nothing is said until they are back, or
//! until every complete read of [`PERSISTS_AFTER`] has missed them: then it is so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Two reads this close may both have met the same passing fault of the upstream.
pub const CONFIRM_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// What too many reads to count have missed for so long is gone, however much it is.
pub const PERSISTS_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// So many may go at once without suspicion, however small the scope.
const FEW: usize = 10;
/// One in so many may go at once without suspicion.
const SHARE: usize = 10;

/// The entities of one scope that were missing from its last complete read, with the start of the first that missed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absences {
    missing: BTreeMap<String, Timestamp>,
}

/// What a complete read says about the entities that it does not show.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These are gone, by two complete reads; often none.
    Removed(Vec<String>),
    /// So many vanished that nothing is said.
    Withheld {
        /// How many are missing.
        missing: usize,
        /// Of how many that are known.
        of: usize,
    },
}

impl Absences {
    /// Takes in a complete read that began at `read_started_at` and showed `seen`, of a scope whose entities are
    /// `known_live` (ids that the log has and that are not removed).
    pub fn after_complete_read(
        &mut self,
        known_live: &BTreeSet<String>,
        seen: &BTreeSet<String>,
        read_started_at: Timestamp,
    ) -> Verdict {
        let absent: BTreeSet<&String> = known_live.difference(seen).collect();
        self.missing.retain(|id, _| absent.contains(id));
        for id in &absent {
            self.missing.entry((*id).clone()).or_insert(read_started_at);
        }
        let missed_for = |since: &Timestamp, time| read_started_at.duration_since(*since) >= time;
        let persists = self.missing.values().all(|since| missed_for(since, PERSISTS_AFTER));
        if too_many(absent.len(), known_live.len()) && !persists {
            return Verdict::Withheld { missing: absent.len(), of: known_live.len() };
        }
        let gone = |(id, since): (&String, &Timestamp)| missed_for(since, CONFIRM_AFTER).then(|| id.clone());
        let removed: Vec<String> = self.missing.iter().filter_map(gone).collect();
        self.missing.retain(|id, _| !removed.contains(id));
        Verdict::Removed(removed)
    }

    /// How many are missing and not yet removed.
    pub fn len(&self) -> usize {
        self.missing.len()
    }

    /// Nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Of a small scope, more than half is too many however few that is, but for one or two.
fn too_many(missing: usize, known: usize) -> bool {
    let most_of_it = missing > 2 && missing > known / 2;
    missing > FEW.max(known / SHARE) || most_of_it || (missing > 0 && missing == known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<u32>) -> BTreeSet<String> {
        range.map(|n| format!("{n:03}")).collect()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    #[test]
    fn one_absence_says_nothing_and_a_second_removes() {
        let mut absences = Absences::default();
        assert_eq!(absences.after_complete_read(&ids(0..5), &ids(0..4), at(0)), Verdict::Removed(vec![]));
        assert_eq!(absences.len(), 1);
        assert_eq!(absences.after_complete_read(&ids(0..5), &ids(0..4), at(60)), Verdict::Removed(vec!["004".into()]));
        assert!(absences.is_empty());
    }

    #[test]
    fn a_second_look_too_soon_does_not_confirm() {
        let mut absences = Absences::default();
        for seconds in [0, 3, 6, 9] {
            let verdict = absences.after_complete_read(&ids(0..5), &ids(0..4), at(seconds));
            assert_eq!(verdict, Verdict::Removed(vec![]), "after {seconds} s");
        }
        assert_eq!(absences.after_complete_read(&ids(0..5), &ids(0..4), at(12)), Verdict::Removed(vec!["004".into()]));
    }

    #[test]
    fn what_comes_back_in_between_starts_anew() {
        let mut absences = Absences::default();
        let _ = absences.after_complete_read(&ids(0..5), &ids(0..4), at(0));
        let _ = absences.after_complete_read(&ids(0..5), &ids(0..5), at(30));
        assert_eq!(absences.after_complete_read(&ids(0..5), &ids(0..4), at(60)), Verdict::Removed(vec![]));
    }

    #[test]
    fn a_mass_disappearance_is_withheld_however_often_it_is_seen() {
        let (mut absences, mut small) = (Absences::default(), Absences::default());
        for seconds in [0, 60, 120] {
            let verdict = absences.after_complete_read(&ids(0..200), &ids(0..179), at(seconds));
            assert_eq!(verdict, Verdict::Withheld { missing: 21, of: 200 });
            let verdict = small.after_complete_read(&ids(0..3), &BTreeSet::new(), at(seconds));
            assert_eq!(verdict, Verdict::Withheld { missing: 3, of: 3 });
        }
        let gone: Vec<String> = ids(180..200).into_iter().collect();
        assert_eq!(absences.after_complete_read(&ids(0..200), &ids(0..180), at(180)), Verdict::Removed(gone));
    }

    #[test]
    fn most_of_a_small_scope_is_withheld_too() {
        let read = |known, seen| Absences::default().after_complete_read(&ids(0..known), &ids(0..seen), at(0));
        assert_eq!(read(11, 1), Verdict::Withheld { missing: 10, of: 11 });
        assert_eq!(read(4, 1), Verdict::Withheld { missing: 3, of: 4 });
        assert_eq!(read(3, 1), Verdict::Removed(vec![]));
        assert_eq!(read(20, 10), Verdict::Removed(vec![]));
    }

    #[test]
    fn what_every_read_of_a_day_has_missed_is_gone_however_much_it_is() {
        let mut absences = Absences::default();
        let mut read = |hour: i64, seen| absences.after_complete_read(&ids(0..30), &ids(0..seen), at(hour * 3600));
        for hour in 0..24 {
            assert_eq!(read(hour, 2), Verdict::Withheld { missing: 28, of: 30 }, "hour {hour}");
        }
        assert_eq!(read(24, 2), Verdict::Removed(ids(2..30).into_iter().collect()));
        assert_eq!(read(25, 30), Verdict::Removed(vec![]));
        assert_eq!(read(26, 2), Verdict::Withheld { missing: 28, of: 30 }, "a day begins anew");
    }
}
