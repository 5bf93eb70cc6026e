//! Whatever is observed in whatever order: folding the events gives the last observation.

use event_model::{Approver, policy::Category};
use proptest::prelude::*;

use super::*;

const STATES: [&str; 6] = ["OPEN", "SUBMITTED", "APPROVED", "REIMBURSED", "ARCHIVED", "ESCALATED"];

fn any_date() -> impl Strategy<Value = Option<UpstreamDate>> {
    let text =
        prop_oneof![Just("2026-04-01"), Just("2026-04-02"), Just("2026-04-02 09:00:00"), Just("2026-04-02 09:14:20")];
    prop::option::of(text).prop_map(|text| text.and_then(date))
}

fn any_history() -> impl Strategy<Value = Vec<HistoryEntry>> {
    let action =
        prop::sample::select(vec!["SUBMITTED", "APPROVED", "UNAPPROVED", "REJECTED", "REIMBURSED", "CLOSED", "HOLD"]);
    let one = (any_date(), action, prop::option::of(Just("lee".to_owned())));
    let entry = one.prop_map(|(at, action, actor)| HistoryEntry { at, action: action.to_owned(), actor });
    prop::collection::vec(entry, 0..6).prop_map(|mut entries| {
        entries.sort();
        entries
    })
}

fn any_line() -> impl Strategy<Value = (String, i64, Option<String>)> {
    ("[1-4]", 0..3i64, prop::option::of("[a-b]"))
}

fn any_report() -> impl Strategy<Value = Report> {
    let lines = prop::collection::btree_map("[1-4]", any_line(), 0..4);
    let dates = (any_date(), any_date(), any_date());
    let states = prop::sample::select(STATES.to_vec());
    let approvers = prop::collection::vec((any_date(), "[a-b]"), 0..3);
    (states, lines, dates, any_history(), prop::bool::ANY, approvers).prop_map(
        |(state, lines, (submitted, approved, reimbursed), history, other_policy, approvers)| {
            let expense = |(id, (_, amount, code)): (String, (String, i64, Option<String>))| Expense {
                category_gl_code: code,
                ..line(&id, amount)
            };
            let policy_id = Some(if other_policy { "B2" } else { "A1" }.to_owned());
            let approvers = approvers.into_iter().map(|(date, email)| Approver { date, email }).collect();
            let expenses = lines.into_iter().map(expense).collect();
            Report { submitted, approved, reimbursed, history, policy_id, approvers, expenses, ..report(state) }
        },
    )
}

/// The object without what a look may leave as it was: dates that lost their moment, the history, what is only carried.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    let report = object.as_object_mut().expect("an object");
    report.remove("history");
    report.remove("historyBehind");
    for field in ["submitted", "approved", "reimbursed"] {
        let day = report[field].as_str().map(|text| text[..10].to_owned());
        report.insert(field.to_owned(), day.into());
    }
    for approver in report["approvers"].as_array_mut().into_iter().flatten() {
        let day = approver["date"].as_str().map(|text| text[..10].to_owned());
        approver["date"] = day.into();
    }
    for line in report["expenses"].as_array_mut().into_iter().flatten() {
        line["categoryGlCode"] = Value::Null;
    }
    object
}

/// What holds of the drafts of one look at one entity: each says truly what it changed, and changed something.
fn check_chain(before: Option<&Known>, drafts: &[EventDraft]) {
    let mut objects: BTreeMap<Subject, Value> = BTreeMap::new();
    if let Some((first, known)) = drafts.first().zip(before.filter(|known| !known.removed)) {
        objects.insert(first.subject.clone(), known.object.clone());
    }
    for draft in drafts {
        let next = draft.data.object.clone();
        let is_news = draft.event_type.is_snapshot() || draft.event_type.removes();
        if let Some(old) = objects.insert(draft.subject.clone(), next.clone()).filter(|_| !is_news) {
            let found = delta(draft.subject.kind, &as_map(old), &as_map(next), &Paths::default());
            assert!(!found.told.is_empty(), "{} says nothing", draft.event_type);
            assert_eq!(found.told.keys().cloned().collect::<Vec<_>>(), draft.data.changed);
            assert_eq!(found.told.into_iter().collect::<Map<_, _>>(), draft.data.previous);
        }
    }
}

proptest! {
    #[test]
    fn reports_and_their_lines(looks in prop::collection::vec((any_report(), 0..10u8), 1..8)) {
        let mut log = Log::default();
        for (n, (report, fate)) in looks.into_iter().enumerate() {
            let id = report.report_id.clone();
            let seen = if n == 0 && fate < 5 { at_first_sight() } else { at_a_later_look() };
            let before = log.known(EntityKind::Report, &id);
            let drafts = log.see(&seen, &report);
            check_chain(before.as_ref(), &drafts);
            let last = log.known(EntityKind::Report, &id).expect("known");
            prop_assert_eq!(comparable(&last.object), comparable(&json!(report)));
            prop_assert!(!last.removed);
            prop_assert!(drafts.last().is_none_or(|last| !last.detection.inferred));
            prop_assert_eq!(log.see(&at_a_later_look(), &report), vec![], "the same again");
            check_lines(&log, &report);
            if fate == 0 {
                log.remove(&id);
                prop_assert!(log.last.values().all(|event| event.event_type.removes()));
            }
        }
    }

    #[test]
    fn policies(looks in prop::collection::vec(prop::collection::btree_map("[a-c]", prop::option::of("[0-9]"), 0..3), 1..6)) {
        let mut log = Log::default();
        for categories in looks {
            let category = |(name, gl_code)| Category { name, gl_code, ..Category::default() };
            let categories: Vec<Category> = categories.into_iter().map(category).collect();
            let policy = Policy { policy_id: "A1".into(), categories: Some(categories), ..Policy::default() };
            let see = |log: &Log| policy_drafts(&at_a_later_look(), log.known(EntityKind::Policy, "A1").as_ref(), &policy);
            let drafts = see(&log);
            check_chain(log.known(EntityKind::Policy, "A1").as_ref(), &drafts);
            log.append(&drafts);
            prop_assert_eq!(&log.known(EntityKind::Policy, "A1").expect("known").object, &json!(policy));
            prop_assert_eq!(see(&log), vec![]);
        }
    }

    #[test]
    fn cards_and_their_feeds(looks in prop::collection::vec(prop::collection::vec((prop::option::of(200..202i64), 0..2u8), 1..5), 1..8)) {
        let mut log = Log::default();
        let card = |(n, (result, name)): (usize, &(Option<i64>, u8))| Card {
            card_id: n.to_string(),
            domain: "acme.example".into(),
            bank: Some("vcf".into()),
            last_import_result: *result,
            card_name: Some(name.to_string()),
            ..Card::default()
        };
        for look in &looks {
            let cards: Vec<Card> = look.iter().enumerate().map(card).collect();
            log.see_cards(&at_a_later_look(), &cards);
            prop_assert_eq!(log.see_cards(&at_a_later_look(), &cards), vec![]);
            let failing = cards.iter().filter(|card| card.last_import_result.is_some_and(|code| code != 200)).count();
            let whole = cards.len() > 1 && failing * 2 > cards.len();
            let feed = log.known(EntityKind::Feed, "acme.example:vcf");
            prop_assert_eq!(feed.is_some_and(|feed| feed.object["failed"] == json!(true)), whole);
            for card in &cards {
                let told = log.known(EntityKind::Card, &card.card_id).expect("known");
                prop_assert_eq!(&told.object["cardName"], &json!(card.card_name));
                let fails = card.last_import_result.is_some_and(|code| code != 200);
                prop_assert!(feed_failed(&told) == fails || (whole && fails));
            }
        }
    }
}

/// Every line that was told of stands as the report shows it, or is removed.
fn check_lines(log: &Log, report: &Report) {
    for (subject, event) in log.last.iter().filter(|(subject, _)| subject.kind == EntityKind::Expense) {
        let shown = report.expenses.iter().find(|line| line.transaction_id == subject.id);
        assert_eq!(shown.is_none(), event.event_type.removes(), "{subject}");
        if let Some(line) = shown {
            assert_eq!(event.data.object["amount"], json!(line.amount));
            assert_eq!(event.data.object["policyID"], json!(report.policy_id));
        }
    }
}
