//! Which paths the reads of a scope tell, so that a field that is new to us is not taken for a change of every entity.
//!
//! Three ways a field can be new, and what shows it:
//!
//! - *A later version of ours has it in its types.* Keys of our types are always present, `null` when blank, so an old object
//!   without the key was written by software that did not know it (`of_model`).
//! - *Our template asks for it now.* [`Shown::of_reports`] is recorded for each scope ([`Columns`]); what is not in the record is
//!   new until a complete read has told it.
//! - *The upstream tells it now*, under a name that we do not know. A key that no entity of the scope had and that most have
//!   in one read came from the upstream, not from people ([`Shown::beside_model`]). Nor is it people's doing when a key that
//!   most had is told of none any more; and one that comes and goes is no change at each turn.
//!
//! An entity that was out of sight when a column came has it when it is back: to it the column is still new
//! ([`Columns::new_since`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use event_model::{
    Card, EntityKind, Expense, Feed, Policy, Report, ReportedExpense,
    policy::{Category, Employee, ReportField, Tag, TagLevel, Tax, TaxRate},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::keys::is_keyed;

/// Most paths that a scope remembers. The upstream has some dozens; a server that makes up keys must not fill the disk. When
/// one read tells so many nothing counts as new.
const MAX_COLUMNS: usize = 1024;
/// A path that has come and gone so often is set aside: each turn costs a snapshot of every entity. New software of the
/// upstream makes one turn, and one more when it is taken back.
const MAX_TURNS: u8 = 4;

/// The paths that one read tells, normalised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// In any entity.
    any: BTreeSet<String>,
    /// In most of what could have them.
    most: BTreeSet<String>,
    /// There was nothing that could have had any.
    of_nothing: bool,
}

impl Shown {
    /// What reading reports tells: every path that our template asks for.
    pub fn of_reports() -> Self {
        let paths = of_model(EntityKind::Report);
        Self { any: paths.clone(), most: paths.clone(), of_nothing: false }
    }

    /// What `objects`, each an entity of `kind`, have beside the keys of our types. A key of list items is in most when most
    /// of the items that there are have it.
    pub fn beside_model<'a>(kind: EntityKind, objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut counts = BTreeMap::new();
        for object in objects {
            *counts.entry(String::new()).or_insert(0) += 1;
            count("", object, &mut counts);
        }
        let known = of_model(kind);
        let of_nothing = counts.is_empty();
        let unknown = |path: &&String| !path.is_empty() && !path.ends_with("[]") && !known.contains(*path);
        let most = |path: &&String| counts[*path] * 2 > counts.get(holder(path)).copied().unwrap_or(0);
        let any: BTreeSet<String> = counts.keys().filter(unknown).cloned().collect();
        Self { most: any.iter().filter(most).cloned().collect(), any, of_nothing }
    }

    /// Every path, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.any.iter().map(String::as_str)
    }
}

/// The paths that the last complete read of a scope has told; recorded with the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Of any entity. Normalised; `None` before the first complete read.
    #[serde(default)]
    told: Option<BTreeSet<String>>,
    /// Of most.
    #[serde(default)]
    most: BTreeSet<String>,
    /// Of those that came to most entities, or went from all, since the first read: the start of the last read that showed it.
    #[serde(default)]
    since: BTreeMap<String, Timestamp>,
    /// How often each of those did.
    #[serde(default)]
    turns: BTreeMap<String, u8>,
}

impl Columns {
    /// The paths that the upstream begins to tell, or ceases to, with this read: those that it tells of most entities and that
    /// the last complete read told of none, and the other way round. None at first sight: there all is new anyway.
    pub fn new_in(&self, now: &Shown) -> BTreeSet<String> {
        match &self.told {
            Some(told) if told.len() < MAX_COLUMNS && !now.of_nothing => {
                let came = now.most.difference(told);
                came.chain(self.most.difference(&now.any)).cloned().collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// The paths that are new to an entity that was last seen by a read that began at `last`: those that came or went after it;
    /// all that ever did when nobody knows.
    pub fn new_since(&self, last: Option<Timestamp>) -> BTreeSet<String> {
        let since = self.since.iter().filter(|(_, since)| last.is_none_or(|last| last < **since));
        since.map(|(path, _)| path.clone()).collect()
    }

    /// The paths that came and went so often that they are set aside: two servers of the upstream that differ.
    pub fn unsteady(&self) -> impl Iterator<Item = &String> {
        self.turns.iter().filter(|(_, turns)| **turns >= MAX_TURNS).map(|(path, _)| path)
    }

    /// A complete read that began at `started_at` told `now`. One of nothing says nothing about paths. Gives the paths that are
    /// [unsteady](Self::unsteady) from now on.
    pub fn take_in(&mut self, now: Shown, started_at: Timestamp) -> Vec<String> {
        let mut unsteady = Vec::new();
        if now.of_nothing && self.told.is_some() {
            return unsteady;
        }
        for path in self.new_in(&now) {
            if self.since.len() >= MAX_COLUMNS && !self.since.contains_key(&path) {
                continue;
            }
            self.since.insert(path.clone(), started_at);
            let turns = self.turns.entry(path.clone()).or_default();
            *turns = turns.saturating_add(1);
            if *turns == MAX_TURNS {
                unsteady.push(path);
            }
        }
        self.told = Some(now.any.into_iter().take(MAX_COLUMNS).collect());
        self.most = now.most.into_iter().take(MAX_COLUMNS).collect();
        unsteady
    }
}

/// The paths of our types for entities of `kind`: in objects that we write now they are always there.
pub(crate) fn of_model(kind: EntityKind) -> &'static BTreeSet<String> {
    static PATHS: LazyLock<BTreeMap<EntityKind, BTreeSet<String>>> =
        LazyLock::new(|| EntityKind::ALL.into_iter().map(|kind| (kind, paths_of(&sample(kind)))).collect());
    &PATHS[&kind]
}

/// One of each list's items, so that every key shows.
fn sample(kind: EntityKind) -> Value {
    let report =
        json!({"reportID": "", "state": "", "approvers": [{"email": ""}], "expenses": [{"transactionID": ""}]});
    let report = || serde_json::from_value::<Report>(report).expect("every other key may be missing");
    let expense = ReportedExpense { expense: Expense::default(), ..ReportedExpense::default() };
    let value = match kind {
        EntityKind::Report => serde_json::to_value(report()),
        EntityKind::Expense => serde_json::to_value(expense),
        EntityKind::Policy => serde_json::to_value(policy()),
        EntityKind::Card => serde_json::to_value(Card::default()),
        EntityKind::Feed => serde_json::to_value(feed()),
        EntityKind::Scope | EntityKind::Account | EntityKind::Subscription => Ok(Value::Null),
    };
    value.expect("entities have text keys and serialise")
}

fn policy() -> Policy {
    let tags = TagLevel { tags: vec![Tag::default()], ..TagLevel::default() };
    Policy {
        categories: Some(vec![Category::default()]),
        report_fields: Some(vec![ReportField::default()]),
        tags: Some(vec![tags]),
        tax: Some(Tax { rates: vec![TaxRate::default()], ..Tax::default() }),
        employees: Some(vec![Employee::default()]),
        ..Policy::default()
    }
}

fn feed() -> Feed {
    Feed { domain: String::new(), bank: String::new(), failed: false, cards: 0, failing: Vec::new(), result: None }
}

/// The normalised paths of every key in `object`, whatever its value.
fn paths_of(object: &Value) -> BTreeSet<String> {
    let mut counts = BTreeMap::new();
    count("", object, &mut counts);
    counts.into_keys().collect()
}

/// The path of what holds the last key of `path`: `categories[]` of `categories[].glCode`, the entity itself of `name`.
fn holder(path: &str) -> &str {
    path.rfind('.').map_or("", |dot| &path[..dot])
}

/// Counts each key at its normalised path, and each item of a keyed list at `list[]`.
fn count(prefix: &str, value: &Value, counts: &mut BTreeMap<String, u64>) {
    let Value::Object(map) = value else { return };
    for (name, value) in map {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        *counts.entry(path.clone()).or_insert(0) += 1;
        match value {
            Value::Array(items) if is_keyed(name) => {
                let path = format!("{path}[]");
                for item in items {
                    *counts.entry(path.clone()).or_insert(0) += 1;
                    count(&path, item, counts);
                }
            }
            _ => count(&path, value, counts),
        }
    }
}
