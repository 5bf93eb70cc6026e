use serde_json::{Value, json};

use super::*;
use crate::catalogue;

fn grant(value: Value) -> Grant {
    serde_json::from_value(value).expect("a grant")
}

fn reach(accounts: &[&str], policies: &[&str], events: &[&str]) -> Reach {
    grant(json!({ "accounts": accounts, "policies": policies, "events": events })).reach
}

/// The example of this type, of this account and policy.
fn head(event_type: EventType, account: &str, policy: Option<&str>) -> EventHead {
    let mut event = catalogue::example(event_type);
    event.account = account.parse().expect("a name");
    event.data.object = json!({ "policyID": policy });
    serde_json::from_value(json!(event)).expect("a head")
}

#[test]
fn what_is_not_named_is_denied() {
    let nothing = grant(json!({}));
    assert!(nothing.reach.is_nothing() && nothing.actions.is_nothing());
    for event_type in EventType::ALL {
        assert!(!nothing.reach.permits(&head(*event_type, "acme", Some("P1")), true), "{event_type}");
    }
    assert!(Action::ALL.iter().all(|action| !nothing.actions.permits(action)));
    // One list that is missing is enough.
    for missing in ["accounts", "policies", "events"] {
        let mut lists = json!({ "accounts": ["*"], "policies": ["*"], "events": ["*"] });
        lists.as_object_mut().expect("an object").remove(missing);
        let reach = grant(lists).reach;
        assert!(reach.is_nothing() && !reach.permits(&head(EventType::ReportCreated, "acme", Some("P1")), false));
    }
}

#[test]
fn an_event_is_within_reach_when_account_type_and_policy_are() {
    let narrow = reach(&["acme"], &["P1"], &["report.*"]);
    let permits = |event_type, account, policy| narrow.permits(&head(event_type, account, policy), false);
    assert!(permits(EventType::ReportApproved, "acme", Some("P1")));
    assert!(permits(EventType::ReportSnapshot, "acme", Some("P1")));
    assert!(!permits(EventType::ReportApproved, "beta", Some("P1")));
    assert!(!permits(EventType::ReportApproved, "acme", Some("P2")));
    assert!(!permits(EventType::ReportApproved, "acme", None));
    assert!(!permits(EventType::PolicyChanged, "acme", Some("P1")));
}

#[test]
fn an_event_about_a_subscription_is_its_owners_alone() {
    let narrow = reach(&["acme"], &["P1"], &["*"]);
    let about = head(EventType::SubscriptionDisabled, "acme", Some("P1"));
    assert!(narrow.permits(&about, true) && !narrow.permits(&about, false));
    assert!(Reach::everything().permits(&about, false));
    let owner = Owner { key: KeyId::from_unique("1").expect("an id"), reach: narrow, until: None };
    let other = KeyId::from_unique("2").expect("an id");
    assert!(
        owner.permits(&about, Some(&owner.key)) && !owner.permits(&about, Some(&other)) && !owner.permits(&about, None)
    );
    assert!(!reach(&["acme"], &["*"], &["report.*"]).permits(&about, true));
}

#[test]
fn nothing_is_within_what_is_narrower_in_any_list() {
    let all = Grant::everything();
    let some = |accounts: &[&str], policies: &[&str], events: &[&str], actions: &[&str]| {
        grant(json!({ "accounts": accounts, "policies": policies, "events": events, "actions": actions }))
    };
    let base = some(&["acme"], &["P1"], &["report.*"], &["events:read"]);
    assert!(
        base.is_within(&all) && base.is_within(&base) && !all.is_within(&base) && Grant::default().is_within(&base)
    );
    for wider in [
        some(&["acme", "beta"], &["P1"], &["report.*"], &["events:read"]),
        some(&["*"], &["P1"], &["report.*"], &["events:read"]),
        some(&["acme"], &["*"], &["report.*"], &["events:read"]),
        some(&["acme"], &["P1"], &["*.snapshot"], &["events:read"]),
        some(&["acme"], &["P1"], &["*"], &["events:read"]),
        some(&["acme"], &["P1"], &["report.*"], &["*"]),
        some(&["acme"], &["P1"], &["report.*"], &["events:read", "keys:write"]),
    ] {
        assert!(!wider.is_within(&base), "{wider:?}");
        assert!(wider.is_within(&all), "{wider:?}");
    }
    let every_kind: Vec<_> = EventType::ALL.iter().map(|known| known.as_str()).collect();
    let named = some(&["acme"], &["P1"], &every_kind, &["events:read"]);
    let any = some(&["acme"], &["P1"], &["*"], &["events:read"]);
    assert!(named.is_within(&any) && !any.is_within(&named), "* takes in what is yet to come");
}

#[test]
fn the_wire_form_is_four_lists_and_reads_back() {
    let text = json!({
        "accounts": ["acme"], "policies": ["*"], "events": ["report.*"], "actions": ["deliveries:read", "events:read"],
    });
    let mut written = json!(grant(text.clone()));
    written["actions"].as_array_mut().expect("a list").sort_by_key(ToString::to_string);
    assert_eq!(written, text);
    assert!(serde_json::from_value::<Grant>(json!({ "actions": ["events:write"] })).is_err());
    assert!(serde_json::from_value::<Grant>(json!({ "accounts": ["Not A Name"] })).is_err());
    for action in Action::ALL {
        assert_eq!(action.as_str().parse::<Action>().expect("known"), action);
    }
}

#[test]
fn an_owner_lapses_when_its_key_expires_and_not_before() {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let until = Some(at("2026-04-02T09:14:00Z"));
    let owner = Owner { key: KeyId::from_unique("1").expect("an id"), reach: Reach::everything(), until };
    assert!(!owner.has_lapsed(at("2026-04-02T09:13:59Z")) && owner.has_lapsed(at("2026-04-02T09:14:00Z")));
    assert!(!Owner { until: None, ..owner }.has_lapsed(Timestamp::MAX));
}
