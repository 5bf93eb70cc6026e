//! Absence is not deletion.
//!
//! An entity that a complete read of its scope does not show is remembered as missing. It is removed when a second complete
//! read, begun at least [`CONFIRM_AFTER`] after the first that missed it, does not show it either. When too many are missing
//! at once the likely cause is a lost role or a moved domain, not so many deletions: nothing is said, and nothing is
//! forgotten, until they are back or a person decides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Two reads this close may both have met the same passing fault of the upstream.
pub const CONFIRM_AFTER: SignedDuration = SignedDuration::from_secs(10);
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
        if too_many(absent.len(), known_live.len()) {
            return Verdict::Withheld { missing: absent.len(), of: known_live.len() };
        }
        self.missing.retain(|id, _| absent.contains(id));
        let mut removed = Vec::new();
        for id in absent {
            let first = *self.missing.entry(id.clone()).or_insert(read_started_at);
            if read_started_at.duration_since(first) >= CONFIRM_AFTER {
                self.missing.remove(id);
                removed.push(id.clone());
            }
        }
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

fn too_many(missing: usize, known: usize) -> bool {
    missing > FEW.max(known / SHARE) || (missing > 0 && missing == known)
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
        let mut absences = Absences::default();
        for seconds in [0, 60, 120] {
            let verdict = absences.after_complete_read(&ids(0..200), &ids(0..179), at(seconds));
            assert_eq!(verdict, Verdict::Withheld { missing: 21, of: 200 });
            let verdict = absences.after_complete_read(&ids(0..3), &BTreeSet::new(), at(seconds));
            assert_eq!(verdict, Verdict::Withheld { missing: 3, of: 3 });
        }
        assert_eq!(absences.after_complete_read(&ids(0..200), &ids(0..180), at(180)), Verdict::Removed(vec![]));
    }
}
