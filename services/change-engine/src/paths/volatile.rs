//! Paths that move without meaning.
//!
//! Some field that the upstream adds one day will move at every look, as a card's `lastImport` does. Taken for a change it
//! makes an event of every entity at every poll. So the paths of each complete read are counted: one that changed in most
//! entities ([`MIN_ENTITIES`] at least) in [`VOLATILE_READS`] of the last [`REMEMBERED_READS`] reads is set aside: alone it
//! makes no event any more, the next event about the entity carries it. That is told to people (a notice, the status).
//!
//! A path in list items counts for an entity when it changed in most of the items: a field that moves by itself moves
//! everywhere, a person edits one. And what a ledger is posted by is never set aside, however it moves: lifecycle, money,
//! ids, and whether an item is there at all (`is_protected`).
//!
//! What is set aside stays so: silence cannot show that it has come to rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use event_model::{EventDraft, EventType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::normalised;

/// Fewer entities than this moving together are people at work.
pub const MIN_ENTITIES: u64 = 3;
/// In so many of the remembered reads most entities have to move.
pub const VOLATILE_READS: usize = 3;
/// So many complete reads are remembered.
pub const REMEMBERED_READS: usize = 5;
/// Most paths that are set aside in a scope, and that one read is counted for. The upstream has some dozens in all; a server
/// that makes up keys must not fill the disk.
const MAX_PATHS: usize = 64;

/// Keys that are never set aside, beside those that end in `ID`.
const PROTECTED: [&str; 22] = [
    "amount",
    "approved",
    "approvers",
    "billable",
    "convertedAmount",
    "created",
    "currency",
    "default",
    "enabled",
    "feedFailed",
    "isACHReimbursed",
    "maxExpenseAmount",
    "modifiedAmount",
    "outputCurrency",
    "rate",
    "reimbursable",
    "reimbursed",
    "state",
    "submitted",
    "taxAmount",
    "taxRate",
    "total",
];

/// Whether the normalised `path` is about lifecycle, money, an id, or an item being there.
fn is_protected(path: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or(path);
    let of_approvers = path.starts_with("approvers[]");
    path.ends_with("[]") || key.ends_with("ID") || key == "stateNum" || PROTECTED.contains(&key) || of_approvers
}

/// How many entities moved at each path in one read.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    moved: BTreeMap<String, u64>,
}

impl Tally {
    /// Takes in what one entity's observation was told as: the drafts of one call of the diff.
    pub fn count(&mut self, drafts: &[EventDraft]) {
        let moved: BTreeSet<String> = drafts.iter().filter(|draft| tells_of_itself(draft)).flat_map(moved_in).collect();
        for path in moved {
            if self.moved.len() < MAX_PATHS || self.moved.contains_key(&path) {
                *self.moved.entry(path).or_insert(0) += 1;
            }
        }
    }
}

/// Snapshots re-baseline, and a line's own event repeats its report's.
fn tells_of_itself(draft: &EventDraft) -> bool {
    let of_a_line =
        matches!(draft.event_type, EventType::ExpenseAdded | EventType::ExpenseUpdated | EventType::ExpenseRemoved);
    !draft.event_type.is_snapshot() && !of_a_line
}

fn moved_in(draft: &EventDraft) -> BTreeSet<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for path in &draft.data.changed {
        *times.entry(normalised(path)).or_insert(0) += 1;
    }
    let in_most = |(path, moved): &(String, usize)| *moved * 2 > holders(&draft.data.object, path);
    times.into_iter().filter(|(path, _)| !is_protected(path)).filter(in_most).map(|(path, _)| path).collect()
}

/// How many places of `object` the normalised `path` can stand in: 1, or as many as its lists have items.
fn holders(object: &Value, path: &str) -> usize {
    match path.split_once("[]") {
        None => 1,
        Some((list, rest)) => {
            let pointer = format!("/{}", list.trim_start_matches('.').replace('.', "/"));
            let items = object.pointer(&pointer).and_then(Value::as_array);
            items.into_iter().flatten().map(|item| holders(item, rest)).sum()
        }
    }
}

/// What the reads of a scope have shown of its paths; recorded with the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volatility {
    /// The paths that moved in most entities, of each of the last complete reads, newest last.
    #[serde(default)]
    reads: VecDeque<BTreeSet<String>>,
    #[serde(default)]
    set_aside: BTreeSet<String>,
}

impl Volatility {
    /// Takes in a complete read of `entities` entities, and names the paths that are set aside from now on.
    #[must_use = "people should be told of it"]
    pub fn after_read(&mut self, tally: Tally, entities: u64) -> Vec<String> {
        let most = |moved: u64| moved >= MIN_ENTITIES && moved * 2 > entities;
        let moved: BTreeSet<String> =
            tally.moved.into_iter().filter(|(_, moved)| most(*moved)).map(|(path, _)| path).collect();
        self.reads.push_back(moved.clone());
        if self.reads.len() > REMEMBERED_READS {
            self.reads.pop_front();
        }
        let room = MAX_PATHS.saturating_sub(self.set_aside.len());
        let often = |path: &String| self.reads.iter().filter(|read| read.contains(path)).count() >= VOLATILE_READS;
        let new: Vec<String> =
            moved.into_iter().filter(|path| !self.set_aside.contains(path) && often(path)).take(room).collect();
        self.set_aside.extend(new.iter().cloned());
        new
    }

    /// The paths that are set aside, for [`Paths`](super::Paths).
    pub fn set_aside(&self) -> &BTreeSet<String> {
        &self.set_aside
    }
}

#[cfg(test)]
mod tests {
    use event_model::{Data, Detection, Revision, Subject, TimestampSource};
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn draft(event_type: EventType, object: Value, changed: &[&str]) -> EventDraft {
        EventDraft {
            event_type,
            timestamp: Timestamp::UNIX_EPOCH,
            account: "acme".parse().expect("a name"),
            subject: Subject::new(event_type.kind(), "1"),
            revision: Revision(2),
            actor: None,
            data: Data { object, changed: changed.iter().map(|path| (*path).to_owned()).collect(), ..Data::default() },
            detection: Detection {
                observed_at: Timestamp::UNIX_EPOCH,
                not_before: None,
                inferred: false,
                timestamp_source: TimestampSource::Observation,
            },
        }
    }

    /// A read of `of` cards, `moved` of which changed at `path`.
    fn read(volatility: &mut Volatility, moved: u64, of: u64, path: &str) -> Vec<String> {
        let mut tally = Tally::default();
        for _ in 0..moved {
            tally.count(&[draft(EventType::CardChanged, json!({}), &[path])]);
        }
        volatility.after_read(tally, of)
    }

    #[test]
    fn what_moves_in_most_entities_in_three_of_five_reads_is_set_aside() {
        let mut volatility = Volatility::default();
        for (moved, newly) in [(6, false), (0, false), (10, false), (5, false), (7, true)] {
            assert_eq!(!read(&mut volatility, moved, 10, "lastSeen").is_empty(), newly, "{moved}");
        }
        assert_eq!(volatility.set_aside(), &["lastSeen".to_owned()].into());
        assert_eq!(read(&mut volatility, 9, 10, "lastSeen"), [""; 0], "told once");
        let text = serde_json::to_string(&volatility).expect("json");
        assert_eq!(serde_json::from_str::<Volatility>(&text).expect("reads back"), volatility);
    }

    #[test]
    fn few_entities_seldom_moves_and_half_of_them_are_people_at_work() {
        for (moved, of, rests) in [(2, 2, 0), (5, 10, 0), (10, 10, 2)] {
            let mut volatility = Volatility::default();
            for _ in 0..10 {
                assert_eq!(read(&mut volatility, moved, of, "holder"), [""; 0]);
                for _ in 0..rests {
                    assert_eq!(read(&mut volatility, 0, of, "holder"), [""; 0]);
                }
            }
        }
    }

    #[test]
    fn lifecycle_money_and_ids_are_never_set_aside() {
        for path in
            ["state", "total", "expenses[].amount", "policyID", "categories[]", "approvers[].date", "feedFailed"]
        {
            assert!(is_protected(path), "{path}");
            let mut volatility = Volatility::default();
            for _ in 0..5 {
                assert_eq!(read(&mut volatility, 10, 10, &path.replace("[]", "[x]")), [""; 0], "{path}");
            }
        }
        assert!(!is_protected("expenses[].merchant") && !is_protected("lastSeen"));
    }

    #[test]
    fn in_lists_it_is_most_items_that_have_to_move() {
        let policy = json!({"categories": [{"name": "a"}, {"name": "b"}, {"name": "c"}]});
        let moved = |changed: &[&str]| {
            let mut tally = Tally::default();
            tally.count(&[draft(EventType::PolicyChanged, policy.clone(), changed)]);
            tally.moved.contains_key("categories[].seen")
        };
        assert!(moved(&["categories[a].seen", "categories[b].seen"]));
        assert!(!moved(&["categories[a].seen"]), "somebody edited one");
    }

    #[test]
    fn snapshots_and_the_events_of_lines_do_not_count() {
        let mut tally = Tally::default();
        tally.count(&[draft(EventType::CardSnapshot, json!({}), &["lastSeen"])]);
        tally.count(&[draft(EventType::ExpenseUpdated, json!({}), &["merchant"])]);
        assert!(tally.moved.is_empty());
    }

    #[test]
    fn made_up_paths_do_not_fill_the_record() {
        let mut volatility = Volatility::default();
        for round in 0..50 {
            let paths: Vec<String> = (0..200).map(|n| format!("k{}-{n}", round / 5)).collect();
            let changed: Vec<&str> = paths.iter().map(String::as_str).collect();
            let mut tally = Tally::default();
            (0..5).for_each(|_| tally.count(&[draft(EventType::CardChanged, json!({}), &changed)]));
            let _ = volatility.after_read(tally, 5);
        }
        assert_eq!(volatility.set_aside().len(), MAX_PATHS);
        assert!(serde_json::to_string(&volatility).expect("json").len() < 10_000);
    }
}
