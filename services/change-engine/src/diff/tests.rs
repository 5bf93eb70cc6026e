use std::collections::{BTreeMap, BTreeSet};

use event_model::{
    Card, EntityState, Event, EventDraft, Expense, HistoryEntry, Policy, Report, ReportState, Sequence, UpstreamDate,
};
use serde_json::json;

use super::*;
use crate::paths::{Paths, delta};

mod cards;
mod fold;
mod history;
mod lines;
mod policies;
mod reports;

fn time(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn date(text: &str) -> Option<UpstreamDate> {
    UpstreamDate::parse_blank(text).expect(text)
}

/// `APPROVED 09:00:00 lee` of the day of the tests.
fn entry(text: &str) -> HistoryEntry {
    let words: Vec<&str> = text.split(' ').collect();
    let at = date(&format!("2026-04-02 {}", words[1]));
    HistoryEntry { at, action: words[0].to_owned(), actor: words.get(2).map(|actor| (*actor).to_owned()) }
}

/// A look at 09:14:21, after one at 09:14:15.
fn at_a_later_look() -> Seen<'static> {
    static CIRCUMSTANCES: std::sync::LazyLock<(AccountName, Paths)> =
        std::sync::LazyLock::new(|| ("acme".parse().expect("a name"), Paths::default()));
    Seen {
        account: &CIRCUMSTANCES.0,
        observed_at: time("2026-04-02T09:14:21Z"),
        not_before: Some(time("2026-04-02T09:14:15Z")),
        told_until: Some(time("2026-04-02T09:14:15Z")),
        baselined: true,
        paths: &CIRCUMSTANCES.1,
    }
}

fn at_first_sight() -> Seen<'static> {
    Seen { baselined: false, not_before: None, ..at_a_later_look() }
}

fn report(state: &str) -> Report {
    Report {
        report_id: "R00AbCdEf123".into(),
        old_report_id: None,
        report_name: Some("Lyon".into()),
        state: ReportState::from_upstream(state),
        state_num: None,
        account_email: Some("sam@acme.example".into()),
        account_id: None,
        manager_email: None,
        policy_id: Some("A1".into()),
        policy_name: None,
        currency: Some("EUR".into()),
        total: Some(1875),
        created: date("2026-04-02 08:00:00"),
        submitted: None,
        approved: None,
        reimbursed: None,
        is_ach_reimbursed: None,
        entry_id: None,
        approvers: Vec::new(),
        expenses: vec![line("7", 1875)],
        history: Vec::new(),
        history_behind: false,
    }
}

fn line(id: &str, amount: i64) -> Expense {
    Expense { transaction_id: id.into(), amount: Some(amount), ..Expense::default() }
}

fn known(entity: &impl Serialize) -> Known {
    Known { revision: Revision(4), removed: false, object: json!(entity) }
}

/// The log, as far as the diff asks it: the last event of each entity.
#[derive(Default)]
struct Log {
    last: BTreeMap<Subject, Event>,
    length: u64,
}

impl Log {
    /// Appends, as the store does: each revision follows the one before.
    fn append(&mut self, drafts: &[EventDraft]) {
        for draft in drafts {
            self.length += 1;
            let event = draft.clone().at(Sequence(self.length));
            let before = self.last.insert(event.subject.clone(), event.clone());
            let expected = before.map_or(Revision(1), |before| before.revision.next());
            assert_eq!(event.revision, expected, "{} {}", event.subject, event.event_type);
        }
    }

    fn known(&self, kind: EntityKind, id: &str) -> Option<Known> {
        let event = self.last.get(&Subject::new(kind, id))?;
        let removed = event.event_type.removes();
        Some(Known { revision: event.revision, removed, object: event.data.object.clone() })
    }

    fn states(&self, ids: &[String]) -> BTreeMap<String, EntityState> {
        let state = |id: &String| {
            let event = self.last.get(&Subject::new(EntityKind::Expense, id))?;
            Some((id.clone(), EntityState::after(event)))
        };
        ids.iter().filter_map(state).collect()
    }

    /// What a look at `report` says, appended.
    fn see(&mut self, seen: &Seen<'_>, report: &Report) -> Vec<EventDraft> {
        let known = self.known(EntityKind::Report, &report.report_id);
        let lines = self.states(&touched_expenses(known.as_ref(), report));
        let drafts = report_drafts(seen, known.as_ref(), report, &lines);
        self.append(&drafts);
        drafts
    }

    fn remove(&mut self, report: &str) -> Vec<EventDraft> {
        let known = self.known(EntityKind::Report, report).expect("a report in the log");
        let lines = self.states(&lines_of(&known));
        let drafts = report_removed(&at_a_later_look(), &known, report, &lines);
        self.append(&drafts);
        drafts
    }

    /// What a look at all cards of the domain says, appended.
    fn see_cards(&mut self, seen: &Seen<'_>, cards: &[Card]) -> Vec<EventDraft> {
        let of_kind = |kind| self.last.keys().filter(move |subject| subject.kind == kind).map(|subject| &subject.id);
        let bank = |id: &String| id.trim_start_matches("acme.example:").to_owned();
        let feeds = of_kind(EntityKind::Feed).map(|id| (bank(id), self.known(EntityKind::Feed, id).expect("known")));
        let failed = |id: &&String| self.known(EntityKind::Card, id).is_some_and(|card| feed_failed(&card));
        let told_failed: BTreeSet<String> = of_kind(EntityKind::Card).filter(failed).cloned().collect();
        let mut cards = cards.to_vec();
        let mut drafts = feed_drafts(seen, "acme.example", &feeds.collect(), &told_failed, &mut cards);
        for card in &cards {
            drafts.extend(card_drafts(seen, self.known(EntityKind::Card, &card.card_id).as_ref(), card));
        }
        self.append(&drafts);
        drafts
    }
}

/// The types of drafts, with `*` when inferred, and the entity when it is another than the report: `report.created*`.
fn told(drafts: &[EventDraft]) -> Vec<String> {
    let mark = |draft: &EventDraft| if draft.detection.inferred { "*" } else { "" };
    drafts.iter().map(|draft| format!("{}{}", draft.event_type, mark(draft))).collect()
}

fn types_and_subjects(drafts: &[EventDraft]) -> Vec<String> {
    drafts.iter().map(|draft| format!("{} {}", draft.event_type, draft.subject.id)).collect()
}

/// The report alone, without its lines' states.
fn drafts_of(seen: &Seen<'_>, known: Option<&Known>, report: &Report) -> Vec<EventDraft> {
    report_drafts(seen, known, report, &BTreeMap::new())
}

#[test]
fn the_end_of_a_first_sight_is_an_event_of_the_scope() {
    let draft = scope_snapshot_draft(&at_first_sight(), "cards:acme.example", 0);
    assert_eq!(draft.subject.to_string(), "scope/cards:acme.example");
    assert_eq!(
        draft.data.object,
        json!({"scope": "cards:acme.example", "entities": 0}),
        "an account with nothing in it"
    );
    assert_eq!((draft.revision, draft.detection.not_before), (Revision(1), None));
}
