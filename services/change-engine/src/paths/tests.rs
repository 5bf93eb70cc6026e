use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
}

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object") };
    map
}

fn diff(before: Value, after: Value) -> Vec<(String, Value)> {
    let found = differences(&map(before), &map(after));
    found.into_iter().map(|(path, difference)| (path, difference.before)).collect()
}

fn delta_of(kind: EntityKind, before: Value, after: Value, paths: &Paths) -> [Vec<String>; 2] {
    let Delta { told, rebased } = delta(kind, &map(before), &map(after), paths);
    [told, rebased].map(|paths| paths.into_keys().collect())
}

#[test]
fn items_are_found_by_key_wherever_they_stand() {
    let before = json!({"expenses": [{"transactionID": "1", "amount": 5}, {"transactionID": "2", "amount": 7}]});
    let after = json!({"expenses": [{"transactionID": "2", "amount": 8}, {"transactionID": "1", "amount": 5}]});
    assert_eq!(diff(before, after), [("expenses[2].amount".into(), json!(7))]);
}

#[test]
fn an_item_that_comes_or_goes_is_one_path() {
    let before = json!({"categories": [{"name": "Meals", "glCode": "1"}]});
    let after = json!({"categories": [{"name": "Cab [EU]", "glCode": "2"}]});
    assert_eq!(
        diff(before, after),
        [
            ("categories[Cab [EU\\]]".into(), Value::Null),
            ("categories[Meals]".into(), json!({"name": "Meals", "glCode": "1"})),
        ]
    );
}

#[test]
fn levels_of_tags_nest() {
    let before = json!({"tags": [{"name": "Dept", "tags": [{"name": "Ops", "glCode": "10"}]}]});
    let after = json!({"tags": [{"name": "Dept", "tags": [{"name": "Ops", "glCode": "11"}]}]});
    assert_eq!(diff(before, after), [("tags[Dept].tags[Ops].glCode".into(), json!("10"))]);
}

#[test]
fn ids_that_collide_in_case_are_two() {
    let before = json!({"categories": [{"name": "ops", "enabled": true}, {"name": "Ops", "enabled": true}]});
    let after = json!({"categories": [{"name": "Ops", "enabled": false}, {"name": "ops", "enabled": true}]});
    assert_eq!(diff(before, after), [("categories[Ops].enabled".into(), json!(true))]);
}

#[test]
fn blank_and_missing_are_the_same() {
    assert_eq!(diff(json!({"a": null}), json!({})), []);
    assert_eq!(diff(json!({}), json!({"a": null})), []);
    assert_eq!(diff(json!({"a": 1}), json!({})), [("a".into(), json!(1))]);
}

#[test]
fn what_an_object_only_carries_is_no_difference() {
    assert_eq!(diff(json!({"policyName": "A"}), json!({"policyName": "B"})), []);
}

#[test]
fn two_items_of_one_key_do_not_hide_each_other() {
    let before = json!({"approvers": [{"email": "a", "date": "1"}]});
    let after = json!({"approvers": [{"email": "a", "date": "1"}, {"email": "a", "date": "2"}]});
    assert_eq!(diff(before, after), [("approvers[a#2]".into(), Value::Null)]);
    let odd = json!({"approvers": [{"email": "a#2", "n": 1}, {"email": "a", "n": 2}, {"email": "a", "n": 3}]});
    let items = odd["approvers"].as_array().expect("a list");
    assert_eq!(by_key("approvers", items).map(|keyed| keyed.len()), Some(3));
}

#[test]
fn a_list_without_keys_is_one_value() {
    assert_eq!(diff(json!({"v": ["a"]}), json!({"v": ["a", "b"]})), [("v".into(), json!(["a"]))]);
    assert_eq!(diff(json!({"tags": ["a"]}), json!({"tags": []})), [("tags".into(), json!(["a"]))]);
}

#[test]
fn a_path_is_normalised_whatever_stands_between_the_brackets() {
    for (path, plain) in [
        ("total", "total"),
        ("expenses[40].amount", "expenses[].amount"),
        ("categories[Cab [EU\\]].glCode", "categories[].glCode"),
        ("categories[a\\\\].x", "categories[].x"),
        ("tags[Dept].tags[Ops]", "tags[].tags[]"),
    ] {
        assert_eq!(normalised(path), plain);
    }
}

#[test]
fn a_day_that_becomes_a_moment_of_it_is_only_seen_better() {
    let paths = Paths::default();
    let approved = |text: &str| json!({"approved": text, "approvers": [{"email": "lee", "date": text}]});
    let (day, moment, other) = ("2026-04-02", "2026-04-02 09:14:00", "2026-04-03 09:14:00");
    let both = |found: [Vec<String>; 2]| found.map(|paths| paths.join(" "));
    let delta = |before, after| both(delta_of(EntityKind::Report, approved(before), approved(after), &paths));
    assert_eq!(delta(day, moment), ["", "approved approvers[lee].date"]);
    assert_eq!(delta(day, other), ["approved approvers[lee].date", ""]);
    // The other way nothing is lost, and there is nothing to say.
    let mut after = map(approved(day));
    keep_moments(&map(approved(moment)), &mut after);
    assert_eq!(Value::Object(after), approved(moment));
    let mut after = map(approved("2026-04-03"));
    keep_moments(&map(approved(moment)), &mut after);
    assert_eq!(Value::Object(after), approved("2026-04-03"));
    // A person's text is no date.
    let text = |text: &str| json!({"reportName": text});
    assert_eq!(both(delta_of(EntityKind::Report, text(day), text(moment), &paths)), ["reportName", ""]);
}

#[test]
fn a_key_that_older_software_did_not_know_is_rebased_and_one_of_the_upstream_is_not() {
    let before = json!({"reportID": "1", "expenses": [{"transactionID": "1", "made_up": 1}]});
    let after = json!({"reportID": "1", "stateNum": 3, "expenses": [{"transactionID": "1", "mcc": "5812"}]});
    let found = delta_of(EntityKind::Report, before, after, &Paths::default());
    assert_eq!(found, [vec!["expenses[1].made_up".to_owned()], vec!["expenses[1].mcc".into(), "stateNum".into()]]);
    let found = delta_of(EntityKind::Card, json!({}), json!({"limit": 5}), &Paths::default());
    assert_eq!(found, [vec!["limit".to_owned()], vec![]]);
    let paths = Paths { new: ["limit".to_owned()].into(), ..Paths::default() };
    let found = delta_of(EntityKind::Card, json!({}), json!({"limit": 5}), &paths);
    assert_eq!(found, [vec![], vec!["limit".to_owned()]]);
}

#[test]
fn what_is_set_aside_and_the_history_of_a_report_are_silent() {
    let paths = Paths { set_aside: ["categories[].seen".to_owned()].into(), ..Paths::default() };
    let policy = |seen| json!({"categories": [{"name": "Meals", "seen": seen}]});
    assert_eq!(delta_of(EntityKind::Policy, policy(1), policy(2), &paths), [vec![], vec![] as Vec<String>]);
    let report = |n| json!({"history": [n]});
    assert_eq!(delta_of(EntityKind::Report, report(1), report(2), &Paths::default()), [vec![], vec![] as Vec<String>]);
    assert_eq!(delta_of(EntityKind::Policy, report(1), report(2), &Paths::default())[0], ["history"]);
}

#[test]
fn the_columns_of_a_report_are_those_of_its_type() {
    let paths = columns::of_model(EntityKind::Report);
    for path in ["total", "approvers[].date", "expenses[].amount", "expenses[].receiptID", "history"] {
        assert!(paths.contains(path), "{path} in {paths:?}");
    }
    assert!(columns::of_model(EntityKind::Policy).contains("tags[].tags[].glCode"));
    assert!(columns::of_model(EntityKind::Expense).contains("reportID"));
}

#[test]
fn a_column_is_new_from_its_first_read_to_the_first_complete_one() {
    use columns::{Columns, Shown};
    let mut columns = Columns::default();
    let old = [json!({"cardID": "1"}), json!({"cardID": "2"}), json!({"cardID": "3", "odd": 1})];
    let shown = |cards: &[Value]| Shown::beside_model(EntityKind::Card, cards);
    assert_eq!(columns.new_in(&shown(&old)), [].into(), "at first sight all is new anyway");
    let _ = columns.take_in(shown(&old), at(0));
    let new = [json!({"limit": 5, "odd": 1}), json!({"limit": null, "odd": 1}), json!({"cardID": "3", "rare": 1})];
    let expected: BTreeSet<String> = ["limit".to_owned()].into();
    assert_eq!(columns.new_in(&shown(&new)), expected, "a key that some had and one that few have are changes");
    assert_eq!(columns.new_in(&shown(&new)), expected, "until a read was complete");
    let _ = columns.take_in(shown(&new), at(1));
    assert_eq!(columns.new_in(&shown(&new)), [].into());
    assert_eq!(columns.new_since(Some(at(0))), expected, "to what was out of sight when it came");
    assert_eq!(columns.new_since(None), expected);
    assert_eq!(columns.new_since(Some(at(1))), [].into(), "that read has shown it");
    let text = serde_json::to_string(&columns).expect("json");
    assert_eq!(serde_json::from_str::<Columns>(&text).expect("reads back"), columns);
}

#[test]
fn a_key_that_most_had_and_none_has_went_and_one_that_comes_and_goes_is_new_at_each_turn() {
    use columns::{Columns, Shown};
    let mut columns = Columns::default();
    let shown = |cards: &[Value]| Shown::beside_model(EntityKind::Card, cards);
    let (with, without) = ([json!({"odd": 1}), json!({"odd": 2})], [json!({}), json!({})]);
    let odd: BTreeSet<String> = ["odd".to_owned()].into();
    let _ = columns.take_in(shown(&with), at(0));
    assert_eq!(columns.new_in(&shown(&[json!({"odd": 1}), json!({})])), [].into(), "one that lost it is a change");
    assert_eq!(columns.new_in(&shown(&[])), [].into(), "a read of nothing says nothing");
    let _ = columns.take_in(shown(&[]), at(1));
    for (n, turn) in [&without, &with, &without].into_iter().enumerate() {
        assert_eq!(columns.new_in(&shown(turn)), odd, "turn {n}");
        assert!(columns.take_in(shown(turn), at(2)).is_empty());
        assert_eq!(columns.new_in(&shown(turn)), [].into());
    }
    assert_eq!(columns.take_in(shown(&with), at(3)), ["odd"], "then it is set aside");
    assert!(columns.unsteady().eq(["odd"]) && columns.take_in(shown(&without), at(4)).is_empty(), "said once");
    assert_eq!(columns.new_since(Some(at(1))), odd, "to what was out of sight meanwhile");
}

#[test]
fn a_key_of_list_items_is_new_when_most_items_have_it() {
    use columns::{Columns, Shown};
    let mut columns = Columns::default();
    let _ = columns.take_in(Shown::default(), at(0));
    let policy = |with: usize| {
        let item = |n: usize| if n < with { json!({"name": n.to_string(), "hue": 1}) } else { json!({"name": "x"}) };
        json!({"categories": (0..10).map(item).collect::<Vec<_>>()})
    };
    let new = |with| columns.new_in(&Shown::beside_model(EntityKind::Policy, [&policy(with)]));
    assert_eq!(new(6), ["categories[].hue".to_owned()].into());
    assert_eq!(new(5), [].into());
}

#[test]
fn made_up_keys_do_not_fill_the_record() {
    use columns::{Columns, Shown};
    let mut columns = Columns::default();
    for round in 0..40 {
        let card: Map<String, Value> = (0..1_100).map(|n| (format!("k{round}-{n}"), json!(1))).collect();
        let _ = columns.take_in(Shown::beside_model(EntityKind::Card, [&Value::Object(card)]), at(round));
    }
    assert!(serde_json::to_string(&columns).expect("json").len() < 120_000);
    assert_eq!(columns.new_in(&Shown::beside_model(EntityKind::Card, [&json!({"z": 1})])), [].into());
}

proptest! {
    #[test]
    fn nothing_differs_from_itself_in_any_order(amounts in prop::collection::btree_map("[0-9]{1,4}", any::<i64>(), 0..8)) {
        let items = |mut list: Vec<Value>, turn: bool| { if turn { list.reverse() }; json!({"expenses": list}) };
        let list: Vec<Value> = amounts.iter().map(|(id, n)| json!({"transactionID": id, "amount": n})).collect();
        prop_assert_eq!(diff(items(list.clone(), false), items(list, true)), []);
    }
}
