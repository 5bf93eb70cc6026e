use super::*;
use serde_json::json;

fn listed() -> Vec<PolicySummary> {
    summaries(&json!([
        { "id": "b1b2c3d4e5f60718", "name": "Acme &amp; Sons", "owner": "cfo@acme.example", "role": "admin",
          "type": "corporate", "outputCurrency": "USD", "colour": "red" },
        { "id": "18F60E5D4C3B2A10", "name": "", "owner": "cfo@acme.example", "role": "auditor",
          "type": "team", "outputCurrency": "EUR" },
    ]))
    .unwrap()
}

#[test]
fn the_list_is_canonical_and_sorted() {
    let list = listed();
    assert_eq!(list.iter().map(|p| p.policy_id.as_str()).collect::<Vec<_>>(), ["18F60E5D4C3B2A10", "B1B2C3D4E5F60718"]);
    assert_eq!(list[0].name, None);
    assert_eq!(list[1].name.as_deref(), Some("Acme & Sons"));
    assert_eq!(list[1].other, [("colour".to_owned(), json!("red"))].into());
    assert_eq!(summaries(&json!([])).unwrap(), []);
    for bad in [json!({}), json!(["x"]), json!([{ "name": "no id" }]), json!([{ "id": "A", "name": {} }])] {
        assert!(summaries(&bad).is_err(), "{bad}");
    }
}

fn only(details: Value) -> Policy {
    let mut policies = merged(&listed()[1..], &json!({ "B1B2C3D4E5F60718": details })).unwrap();
    policies.pop().unwrap()
}

#[test]
fn details_join_their_summaries_and_a_policy_without_details_is_left_out() {
    let policies = merged(&listed(), &json!({ "18f60e5d4c3b2a10": {}, "FFFF": {} })).unwrap();
    assert_eq!(policies.len(), 1);
    assert_eq!(policies[0].policy_id, "18F60E5D4C3B2A10");
    assert_eq!(policies[0].output_currency.as_deref(), Some("EUR"));
    assert_eq!(only(json!({ "more": 1 })).other, [("colour".into(), json!("red")), ("more".into(), json!(1))].into());
    assert!(merged(&listed(), &json!([])).is_err());
    assert!(merged(&listed(), &json!({ "A": 1 })).is_err());
    assert!(merged(&listed(), &json!({ "18F60E5D4C3B2A10": { "categories": "x" } })).is_err());
}

#[test]
fn tags_have_two_shapes_and_silence_means_enabled() {
    let flat =
        only(json!({ "tags": [{ "name": "Ops", "enabled": false, "glCode": "" }, { "name": "Eng" }] })).tags.unwrap();
    assert_eq!(flat.len(), 1);
    assert_eq!(flat[0].name, "");
    let tags: Vec<_> = flat[0].tags.iter().map(|t| (t.name.as_str(), t.enabled, t.gl_code.as_deref())).collect();
    assert_eq!(tags, [("Eng", true, None), ("Ops", false, None)]);

    let levels = only(json!({ "tags": [
        { "name": "Region", "tags": [{ "name": "South", "glCode": 7 }], "required": true },
        { "name": "Dept", "tags": [] },
    ] }))
    .tags
    .unwrap();
    assert_eq!(levels.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["Dept", "Region"]);
    assert_eq!(levels[1].tags[0].gl_code.as_deref(), Some("7"));
    assert_eq!(levels[1].other, [("required".to_owned(), json!(true))].into());
    assert_eq!(only(json!({ "tags": [] })).tags, Some(vec![]));
}

#[test]
fn a_section_that_is_missing_is_not_told_and_not_empty() {
    let policy = only(json!({ "categories": [], "employees": null }));
    assert_eq!((policy.categories, policy.employees, policy.tags, policy.tax), (Some(vec![]), None, None, None));
}

#[test]
fn every_list_is_sorted_so_that_order_says_nothing() {
    let details = |turned: bool| {
        let mut lists = json!({
            "categories": [{ "name": "Meals", "enabled": true, "glCode": "6100" }, { "name": "Air" }],
            "reportFields": [{ "name": "title", "type": "formula", "values": [] },
                { "name": "Cost Center", "type": "dropdown", "values": ["Ops", { "name": "Eng" }] }],
            "tax": { "name": "VAT", "default": "id_A",
                "rates": [{ "name": "Standard", "rate": 20, "rateID": "id_A" }, { "rateID": "id_0", "rate": "5.5" }] },
            "employees": [{ "email": "sam@acme.example", "role": "user", "customField2": "x", "joined": "2020" },
                { "email": "lee@acme.example" }],
        });
        if turned {
            for path in ["/categories", "/reportFields", "/reportFields/0/values", "/tax/rates", "/employees"] {
                if let Some(list) = lists.pointer_mut(path).and_then(Value::as_array_mut) {
                    list.reverse();
                }
            }
        }
        only(lists)
    };
    let policy = details(false);
    assert_eq!(policy, details(true));
    assert_eq!(policy.categories.as_ref().unwrap()[1].gl_code.as_deref(), Some("6100"));
    assert_eq!(policy.report_fields.as_ref().unwrap()[0].values, ["Eng", "Ops"]);
    let tax = policy.tax.unwrap();
    assert_eq!(tax.rates.iter().map(|r| r.rate.as_deref()).collect::<Vec<_>>(), [Some("5.5"), Some("20")]);
    assert_eq!(policy.employees.unwrap()[1].other, [("joined".to_owned(), json!("2020"))].into());
    assert_eq!(only(json!({ "tax": {} })).tax, Some(event_model::policy::Tax::default()));
}

#[test]
fn a_policy_serialises_without_a_key_twice() {
    let policy =
        only(json!({ "policyID": "other", "name": "other", "categories": [{ "name": "a", "enabled": "false" }] }));
    let text = serde_json::to_string(&policy).unwrap();
    assert_eq!(text.matches("\"policyID\"").count(), 1, "{text}");
    assert!(!policy.categories.unwrap()[0].enabled);
}

#[test]
fn blank_and_missing_are_one_and_numbers_and_texts_too() {
    let details = |blank: Value, code: Value, rate: Value| {
        only(json!({
            "categories": [{ "name": "Meals &amp; more", "glCode": blank, "maxExpenseAmount": blank, "commentHint": blank }],
            "employees": [{ "email": "sam@acme.example", "role": blank, "submitsTo": blank, "employeeID": code }],
            "tags": [{ "name": "Ops", "glCode": code }],
            "tax": { "name": "VAT", "rates": [{ "rateID": "id_A", "rate": rate, "name": blank }] },
        }))
    };
    let policy = details(json!(null), json!("7"), json!("20"));
    assert_eq!(policy, details(json!(" "), json!(7), json!(20)));
    assert_eq!(policy.categories.unwrap()[0].name, "Meals & more");
}
