//! Absence is not deletion.
//!
//! An entity that a complete read of its scope had to show and did not is *missing*. What follows depends on how its kind can
//! be asked for:
//!
//! - [`Confirmation::ById`] (reports, policies): it is read by its id, twice, the reads at least [`CONFIRM_AFTER`] apart. Shown
//!   by neither, it is gone.
//! - [`Confirmation::ByList`] (cards): gone when a second complete read, begun at least [`CONFIRM_AFTER`] after the first that
//!   missed it, does not show it either.
//!
//! Whatever shows it in between, it starts anew. What the credential cannot see is not missing: the caller leaves it out.
//!
//! When too many are missing at once ([`too_many`]) the likely cause is a lost role or a moved domain, not so many deletions:
//! nothing is removed. They are still read by id, once and then every [`ASK_AGAIN_AFTER`]: a bulk approval takes hundreds of
//! reports out of a state's set, and their ids show them. Those that are not shown then are *withheld*, and people are told.
//! They are let go, to be confirmed like any other, when every complete read of [`PERSISTS_AFTER`] has missed them, or when a
//! person says so ([`Absences::release`]): with a ceiling, so that a finger that meant thirty does not remove thirty thousand,
//! and for [`RELEASE_EXPIRES_AFTER`], so that it does not answer a question that comes up next year.
//!
//! The record is kept in the store with its scope, and is bounded: of more than [`MAX_TRACKED`] missing only the number is
//! known, which suffices to withhold. They are tracked as others make room.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use event_model::status::Withheld;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Two reads this close may both have met the same passing fault of the upstream.
pub const CONFIRM_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// What every read of so long has missed is gone, however much it is.
pub const PERSISTS_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// What may not be removed yet is read by id so often: its scope's own reads show it when it is back.
pub const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// When so many are missing and no read by id has told in so long (the age that no watch exceeds), people are told.
pub const ASKED_WITHIN: SignedDuration = SignedDuration::from_secs(900);
/// A person's release that has not come to its ceiling by then is over.
pub const RELEASE_EXPIRES_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// Most missing entities of a scope that are known one by one: at most 700 kB of record.
pub const MAX_TRACKED: usize = 4096;
/// So many may go at once without suspicion, however small the scope.
const FEW: u64 = 10;
/// One in so many may go at once without suspicion.
const SHARE: u64 = 10;
/// Reads by id that have to miss an entity.
const TIMES_ASKED: u8 = 2;

/// How the absence of an entity is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// By reading its id.
    ById,
    /// By reading the list again.
    ByList,
}

/// The entities of one scope that were missing from its last complete read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absences {
    #[serde(default)]
    missing: BTreeMap<String, Absence>,
    /// Missing beside those.
    #[serde(default)]
    untracked: u64,
    /// Entities that the last complete read had to show.
    #[serde(default)]
    of: u64,
    #[serde(default)]
    withheld: Option<Withheld>,
    #[serde(default)]
    release: Option<Release>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Absence {
    /// Start of the first read that missed it.
    since: Timestamp,
    /// Whether it may be removed when that is confirmed.
    #[serde(default)]
    cleared: Cleared,
    /// Reads by its id that did not show it.
    #[serde(default)]
    asked: u8,
    /// Start of the last of those.
    #[serde(default)]
    asked_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cleared {
    /// Too many went with it, or it is not judged yet.
    #[default]
    No,
    /// Few enough went, or for long enough.
    Yes,
    /// A person let it go.
    Released,
}

/// A person's word that what is missing is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Release {
    /// Removals that are left of the ceiling.
    left: u64,
    until: Timestamp,
}

/// What a complete read says about the entities that it does not show.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// These are gone; often none, and with [`Confirmation::ById`] always.
    pub removed: Vec<String>,
    /// So many vanished that nothing is said of them.
    pub withheld: Option<Withheld>,
}

/// Why nothing was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseRefused {
    /// Nothing is withheld in the scope.
    #[error("nothing is withheld")]
    NothingWithheld,
    /// More is missing than the person reckons with.
    #[error("{missing} are missing, more than the ceiling of {ceiling}")]
    OverCeiling {
        /// How many are missing.
        missing: u64,
        /// How many may be removed at most.
        ceiling: u64,
    },
}

impl Absences {
    /// Takes in a complete read that began at `started_at`: of the `of` entities that it had to show, `missing` were not
    /// there. An entity that the credential cannot see is in neither.
    pub fn after_scope_read(
        &mut self,
        by: Confirmation,
        started_at: Timestamp,
        missing: impl IntoIterator<Item = String>,
        of: u64,
    ) -> Verdict {
        let total = self.track(started_at, missing);
        if self.release.as_ref().is_some_and(|release| release.until < started_at) {
            self.release = None;
        }
        self.of = of;
        self.clear(started_at, total);
        self.judge(by, started_at);
        let removed = match by {
            Confirmation::ById => Vec::new(),
            Confirmation::ByList => self.confirmed_by_list(started_at),
        };
        Verdict { removed, withheld: self.withheld.clone() }
    }

    /// The ids that are to be read now, those missing for longest first; at most `most`. Those that may not be removed are
    /// among them: what shows them is worth knowing.
    pub fn to_confirm(&self, now: Timestamp, most: usize) -> Vec<String> {
        let mut due: Vec<(Timestamp, &String)> = self
            .missing
            .iter()
            .filter(|(_, absence)| self.due_at(absence).is_some_and(|at| at <= now) && !self.is_over(absence, now))
            .map(|(id, absence)| (absence.since, id))
            .collect();
        due.sort();
        due.into_iter().take(most).map(|(_, id)| id.clone()).collect()
    }

    /// When the next id is to be read; `None` when none is.
    pub fn next_confirmation(&self) -> Option<Timestamp> {
        let open = |absence: &&Absence| absence.cleared != Cleared::Released || self.release.is_some();
        self.missing.values().filter(open).filter_map(|absence| self.due_at(absence)).min()
    }

    /// Takes in a complete read by id that began at `started_at`: it asked for `asked` and showed `shown`. Which of them are
    /// gone by that. Whether many others are [`withheld`](Self::withheld) now is known after it.
    #[must_use = "they are to be told"]
    pub fn after_id_read(
        &mut self,
        asked: &BTreeSet<String>,
        shown: &BTreeSet<String>,
        started_at: Timestamp,
    ) -> Vec<String> {
        let mut gone = Vec::new();
        for id in asked {
            if shown.contains(id) {
                self.missing.remove(id);
                continue;
            }
            let Some(absence) = self.missing.get_mut(id) else { continue };
            if absence.asked_at.is_some_and(|at| started_at.duration_since(at) < CONFIRM_AFTER) {
                continue;
            }
            absence.asked_at = Some(started_at);
            if absence.cleared != Cleared::No {
                absence.asked += 1;
            }
            if absence.asked >= TIMES_ASKED {
                gone.push(id.clone());
            }
        }
        gone.retain(|id| self.let_go(id));
        self.judge(Confirmation::ById, started_at);
        gone
    }

    /// A read of whatever kind showed the entity.
    pub fn shown(&mut self, id: &str) {
        self.missing.remove(id);
    }

    /// A person says that what is withheld is gone, all of it, if that is no more than `ceiling`. It is confirmed like any
    /// other absence; no more than `ceiling` are removed by this, and none after [`RELEASE_EXPIRES_AFTER`]. How many are
    /// missing.
    pub fn release(&mut self, ceiling: u64, at: Timestamp) -> Result<u64, ReleaseRefused> {
        let missing = self.withheld.as_ref().ok_or(ReleaseRefused::NothingWithheld)?.missing;
        if missing > ceiling {
            return Err(ReleaseRefused::OverCeiling { missing, ceiling });
        }
        let until = at.checked_add(RELEASE_EXPIRES_AFTER).unwrap_or(Timestamp::MAX);
        self.release = Some(Release { left: ceiling, until });
        self.withheld = None;
        for absence in self.missing.values_mut().filter(|absence| absence.cleared == Cleared::No) {
            absence.clear(Cleared::Released);
        }
        Ok(missing)
    }

    /// What is withheld now.
    pub fn withheld(&self) -> Option<&Withheld> {
        self.withheld.as_ref()
    }

    /// How many are missing and removed as soon as that is confirmed.
    pub fn confirming(&self) -> u64 {
        self.missing.values().filter(|absence| absence.cleared != Cleared::No).count() as u64
    }

    /// Nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.untracked == 0
    }

    /// Remembers what is missing now, forgets what is not any more; how many are missing.
    fn track(&mut self, started_at: Timestamp, missing: impl IntoIterator<Item = String>) -> u64 {
        let mut before = std::mem::take(&mut self.missing);
        let (mut known, mut new) = (BTreeMap::new(), Vec::new());
        let mut total = 0;
        for id in missing {
            total += 1;
            match before.remove_entry(&id) {
                Some((id, absence)) => drop(known.insert(id, absence)),
                None if new.len() < MAX_TRACKED => new.push(id),
                None => {}
            }
        }
        for id in new.into_iter().take(MAX_TRACKED.saturating_sub(known.len())) {
            let absence = Absence { since: started_at, cleared: Cleared::No, asked: 0, asked_at: None };
            known.insert(id, absence);
        }
        self.untracked = total - known.len() as u64;
        self.missing = known;
        total
    }

    /// Decides which may be removed when they are confirmed.
    fn clear(&mut self, started_at: Timestamp, total: u64) {
        let lasting = |absence: &Absence| started_at.duration_since(absence.since) >= PERSISTS_AFTER;
        let sudden = total - self.missing.values().filter(|absence| lasting(absence)).count() as u64;
        let left = self.release.as_ref().map_or(0, |release| release.left);
        // What a person let go stays so, whatever else goes missing meanwhile: that is judged by itself.
        let let_go = |absence: &Absence| left > 0 && absence.cleared == Cleared::Released && !lasting(absence);
        let others = sudden - self.missing.values().filter(|absence| let_go(absence)).count() as u64;
        let withhold = too_many(others, self.of);
        for absence in self.missing.values_mut() {
            absence.clear(match () {
                () if let_go(absence) => Cleared::Released,
                () if lasting(absence) || !withhold => Cleared::Yes,
                () if sudden <= left => Cleared::Released,
                () => Cleared::No,
            });
        }
    }

    /// Decides whether people are to be told that something is withheld.
    fn judge(&mut self, by: Confirmation, at: Timestamp) {
        let asked = |absence: &Absence| {
            by == Confirmation::ByList || absence.asked_at.is_some() || at.duration_since(absence.since) >= ASKED_WITHIN
        };
        let held =
            self.missing.values().filter(|absence| absence.cleared == Cleared::No && asked(absence)).count() as u64;
        let missing = if held == 0 { 0 } else { held + self.untracked };
        let since = self.withheld.as_ref().map_or(at, |withheld| withheld.since);
        let first = self.missing.values().map(|absence| absence.since).min().unwrap_or(at);
        self.withheld =
            too_many(missing, self.of).then_some(Withheld { missing, of: self.of, since: since.min(first) });
    }

    fn confirmed_by_list(&mut self, started_at: Timestamp) -> Vec<String> {
        let gone = |absence: &Absence| {
            absence.cleared != Cleared::No && started_at.duration_since(absence.since) >= CONFIRM_AFTER
        };
        let mut removed: Vec<String> =
            self.missing.iter().filter(|(_, absence)| gone(absence)).map(|(id, _)| id.clone()).collect();
        removed.retain(|id| self.let_go(id));
        removed
    }

    /// Stops tracking what is gone, within what is left of a release.
    fn let_go(&mut self, id: &str) -> bool {
        let Some(absence) = self.missing.get(id) else { return false };
        if absence.cleared == Cleared::Released {
            match &mut self.release {
                Some(release) if release.left > 0 => release.left -= 1,
                _ => return false,
            }
        }
        self.missing.remove(id);
        true
    }

    /// It was let go by a release that has come to its end.
    fn is_over(&self, absence: &Absence, now: Timestamp) -> bool {
        let open = self.release.as_ref().is_some_and(|release| release.left > 0 && now <= release.until);
        absence.cleared == Cleared::Released && !open
    }

    fn due_at(&self, absence: &Absence) -> Option<Timestamp> {
        let Some(at) = absence.asked_at else { return Some(absence.since) };
        let pause = if absence.cleared == Cleared::No { ASK_AGAIN_AFTER } else { CONFIRM_AFTER };
        at.checked_add(pause).ok()
    }
}

impl Absence {
    /// What was asked before it was let go does not count.
    fn clear(&mut self, cleared: Cleared) {
        if self.cleared == Cleared::No && cleared != Cleared::No {
            (self.asked, self.asked_at) = (0, None);
        }
        self.cleared = cleared;
    }
}

/// Of a small scope, more than half is too many however few that is, but for one or two.
pub fn too_many(missing: u64, of: u64) -> bool {
    let most_of_it = missing > 2 && missing > of / 2;
    missing > FEW.max(of / SHARE) || most_of_it || (missing > 0 && missing >= of)
}
