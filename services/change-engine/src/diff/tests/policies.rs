//! Policies.

use event_model::policy::Employee;

use super::*;

fn policy() -> Policy {
    Policy { policy_id: "A1".into(), name: Some("Field".into()), ..Policy::default() }
}

#[test]
fn policies_come_change_and_go() {
    let seen = at_a_later_look();
    let policy = policy();
    assert_eq!(told(&policy_drafts(&at_first_sight(), None, &policy)), ["policy.snapshot"]);
    assert_eq!(told(&policy_drafts(&seen, None, &policy)), ["policy.created"]);
    let before = Known { revision: Revision(1), removed: false, object: json!(policy) };
    assert_eq!(policy_drafts(&seen, Some(&before), &policy), []);
    let renamed = Policy { name: Some("Ops".into()), ..policy.clone() };
    assert_eq!(policy_drafts(&seen, Some(&before), &renamed)[0].data.changed, ["name"]);
    let subject = Subject::new(EntityKind::Policy, "A1");
    let removal = removal_draft(&seen, &subject, &before).expect("a removal");
    assert_eq!((removal.event_type, removal.revision), (EventType::PolicyRemoved, Revision(2)));
    assert_eq!(removal.data.object["name"], "Field");
    let gone = Known { removed: true, ..before };
    assert_eq!(removal_draft(&seen, &subject, &gone), None);
    assert_eq!(told(&policy_drafts(&seen, Some(&gone), &policy)), ["policy.created"]);
    assert_eq!(removal_draft(&seen, &Subject::new(EntityKind::Report, "R"), &gone), None);
}

#[test]
fn a_section_that_is_not_told_is_not_an_empty_one() {
    let seen = at_a_later_look();
    let member = Employee { email: "sam@acme.example".into(), ..Employee::default() };
    let policy = Policy { employees: Some(vec![member]), ..policy() };
    let before = known(&policy);
    let silent = Policy { employees: None, ..policy.clone() };
    assert_eq!(policy_drafts(&seen, Some(&before), &silent), []);
    let renamed = Policy { name: Some("Ops".into()), ..silent };
    let drafts = policy_drafts(&seen, Some(&before), &renamed);
    assert_eq!(drafts[0].data.changed, ["name"]);
    assert_eq!(drafts[0].data.object["employees"], json!(policy.employees));
    let emptied = Policy { employees: Some(Vec::new()), ..policy };
    assert_eq!(policy_drafts(&seen, Some(&before), &emptied)[0].data.changed, ["employees[sam@acme.example]"]);
}

#[test]
fn the_order_of_a_list_says_nothing() {
    let member = |email: &str| Employee { email: email.into(), ..Employee::default() };
    let with = |members: [&str; 2]| Policy { employees: Some(members.map(member).to_vec()), ..policy() };
    assert_eq!(policy_drafts(&at_a_later_look(), Some(&known(&with(["a", "b"]))), &with(["b", "a"])), []);
}

#[test]
fn a_field_that_is_new_to_the_upstream_is_a_snapshot_in_the_scope_and_a_change_in_one_policy() {
    let mut after = policy();
    after.other.insert("region".into(), json!("EU"));
    let drafts = policy_drafts(&at_a_later_look(), Some(&known(&policy())), &after);
    assert_eq!((told(&drafts), drafts[0].data.changed.join(" ")), (vec!["policy.changed".into()], "region".into()));
    let paths = Paths { new: ["region".to_owned()].into(), ..Paths::default() };
    let drafts = policy_drafts(&Seen { paths: &paths, ..at_a_later_look() }, Some(&known(&policy())), &after);
    assert_eq!((told(&drafts), drafts[0].data.changed.join(" ")), (vec!["policy.snapshot".into()], "region".into()));
    assert_eq!(drafts[0].data.object["region"], "EU");
}
