//! Jobs that write policies: categories, tags, fields, members, rules.

use crate::harness::{Upstream, calm, job, start};
use expensify_sim::Change;
use serde_json::{Value, json};

async fn update(up: &Upstream, policy: &str, part: &str, body: Value) -> crate::harness::Answer {
    let mut job = job("update", json!({ "type": "policy", "policyID": policy }));
    job[part] = body;
    up.post(&job).await
}

async fn first(up: &Upstream) -> String {
    let policies = up.policies().await;
    let flat = policies.iter().find(|policy| policy["name"] == "Acme Field Ops").unwrap();
    flat["id"].as_str().unwrap().to_owned()
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn categories_are_merged_or_replaced() {
    let up = start(calm()).await;
    let id = first(&up).await;
    let data = json!([{ "name": "Meals", "enabled": true, "glCode": "9999" }, { "name": "New", "enabled": false }]);
    let answer = update(&up, &id, "categories", json!({ "action": "merge", "data": data })).await;
    assert_eq!(answer.json(), json!({ "responseCode": 200 }));
    let categories = up.section(&id, "categories").await;
    assert_eq!(names(&categories).len(), 9);
    assert!(categories.as_array().unwrap().iter().any(|c| c["name"] == "Meals" && c["glCode"] == "9999"));
    update(&up, &id, "categories", json!({ "action": "merge", "data": data })).await;
    assert_eq!(up.sim.changes(0).len(), 1, "the same again changes nothing");
    update(&up, &id, "categories", json!({ "action": "replace", "data": data })).await;
    assert_eq!(names(&up.section(&id, "categories").await), ["Meals", "New"]);
    let changes = up.sim.changes(0);
    assert_eq!(changes.iter().map(|c| c.change).collect::<Vec<_>>(), [Change::Changed, Change::Changed]);
    assert_eq!(changes[0].entity, format!("policy/{id}"));
}

#[tokio::test]
async fn merging_tags_deletes_the_unlisted_ones() {
    let up = start(calm()).await;
    let id = first(&up).await;
    assert_eq!(names(&up.section(&id, "tags").await).len(), 5);
    let data = json!([{ "name": "Department", "setRequired": true, "tags": [{ "name": "Third", "enabled": true }] }]);
    let answer = update(&up, &id, "tags", json!({ "action": "merge", "source": "inline", "data": data })).await;
    assert_eq!(answer.json(), json!({ "responseCode": 200 }));
    assert_eq!(names(&up.section(&id, "tags").await), ["Third"]);
}

#[tokio::test]
async fn tags_come_from_a_file_too() {
    let up = start(calm()).await;
    let id = first(&up).await;
    let mut job = job("update", json!({ "type": "policy", "policyIDList": [id] }));
    job["tags"] = json!({ "action": "replace", "source": "file", "config": { "fileType": "csv", "header": true, "setRequired": [true, false] } });
    let answer = up.post_with(&job, &[("file", "Dept,Site\nOps,Lyon\nEng,Lyon\n")]).await;
    assert_eq!(answer.json(), json!({ "responseCode": 200 }));
    let tags = up.section(&id, "tags").await;
    assert_eq!(names(&tags), ["Dept", "Site"]);
    assert_eq!(names(&tags[0]["tags"]), ["Ops", "Eng"]);
    assert_eq!(up.post(&job).await.refusal(), (410, "'tags' object malformed".into()));
}

#[tokio::test]
async fn report_fields_are_updated_and_a_formula_stays() {
    let up = start(calm()).await;
    let id = first(&up).await;
    let data = json!([{ "name": "Cost Center", "type": "dropdown", "values": [{ "name": "Ops", "enabled": true }, { "value": "Lab" }] }]);
    update(&up, &id, "reportFields", json!({ "action": "replace", "data": data })).await;
    let fields = up.section(&id, "reportFields").await;
    assert_eq!(names(&fields), ["title", "Cost Center"]);
    assert_eq!(fields[1]["values"], json!(["Ops", "Lab"]));
}

#[tokio::test]
async fn a_malformed_part_is_named_and_nothing_is_written() {
    let up = start(calm()).await;
    let id = first(&up).await;
    let mut job = job("update", json!({ "type": "policy", "policyID": id }));
    job["categories"] = json!({ "action": "merge", "data": [{ "name": "Fine", "enabled": true }] });
    job["reportFields"] = json!({ "action": "merge", "data": [{ "name": "x", "type": "formula" }] });
    assert_eq!(up.post(&job).await.refusal(), (410, "'reportFields' object malformed".into()));
    let said = update(&up, &id, "categories", json!([])).await.refusal();
    assert_eq!(said, (410, "'categories' object malformed".into()));
    assert_eq!(update(&up, "0000", "categories", json!({ "action": "merge", "data": [] })).await.refusal().0, 404);
    assert!(up.sim.changes(0).is_empty());
}

#[tokio::test]
async fn a_policy_is_created_and_listed() {
    let up = start(calm()).await;
    let answer =
        up.post(&job("create", json!({ "type": "policy", "policyName": "Field \"X\"", "plan": "corporate" }))).await;
    assert_eq!(answer.content_type, "application/json");
    let id = answer.json()["policyID"].as_str().unwrap().to_owned();
    let listed = up.policies().await.into_iter().find(|policy| policy["id"] == id.as_str()).unwrap();
    assert_eq!((&listed["name"], &listed["type"]), (&json!("Field \"X\""), &json!("corporate")));
    assert_eq!(up.section(&id, "tags").await, json!([{ "name": "Tags", "tags": [] }]));
    assert_eq!(up.sim.changes(0)[0].change, Change::Created);
    let said = up.refusal("create", json!({ "type": "policy" })).await;
    assert_eq!(said, (500, "Required parameter 'policyName' is missing".into()));
}

#[tokio::test]
async fn a_rule_that_exists_answers_666_with_its_number() {
    let up = start(calm()).await;
    let rule = json!({
        "type": "expenseRules", "policyID": first(&up).await, "employeeEmail": "sam@acme.example",
        "actions": { "tag": "Ops", "defaultBillable": true },
    });
    let ok = json!({ "responseMessage": "OK", "responseCode": 200 });
    assert_eq!(up.post(&job("create", rule.clone())).await.json(), ok);
    let said = up.refusal("create", rule.clone()).await;
    assert_eq!(said, (666, "Rule already exists with those actions, please update rule 0".into()));
    let mut other = rule.clone();
    other["actions"] = json!({ "tag": "Eng" });
    other["ruleID"] = json!(0);
    assert_eq!(up.post(&job("update", other.clone())).await.json(), ok);
    assert_eq!(up.post(&job("create", rule.clone())).await.json(), ok, "rule 0 does something else now");
    other["ruleID"] = json!(7);
    assert_eq!(up.refusal("update", other).await, (404, "Rule not found".into()));
    let mut empty = rule;
    empty["actions"] = json!({});
    assert_eq!(up.refusal("create", empty).await.0, 410);
    assert!(up.sim.changes(0).is_empty(), "no read shows rules");
}

#[tokio::test]
async fn tag_approvers_need_a_tag_that_exists() {
    let up = start(calm()).await;
    let id = first(&up).await;
    let mut job = job("update", json!({ "type": "tagApprovers", "policyID": id }));
    job["tagApprovers"] =
        json!([{ "name": "Ops", "approver": "lee@acme.example" }, { "name": "Legal", "approver": "" }]);
    assert_eq!(up.post(&job).await.json(), json!({ "responseCode": 200 }));
    job["tagApprovers"] = json!([{ "name": "InvalidTag", "approver": "" }]);
    assert_eq!(up.post(&job).await.refusal(), (410, "Invalid tag name 'InvalidTag'".into()));
}

fn employees() -> (Value, Value) {
    let mut job = job("update", json!({ "type": "employees", "entity": "generic" }));
    job["dataSource"] = json!("request");
    let record = |email: &str, manager: &str, policy: &str| json!({ "employeeEmail": email, "managerEmail": manager, "policyID": policy, "employeeID": "E-9" });
    let data = json!([
        record("new@acme.example", "lee@acme.example", "POLICY"),
        record("sam@acme.example", "lee@acme.example", "POLICY"),
        record("x@acme.example", "lee@acme.example", "Marketing"),
        record("y@acme.example", "manager@domain ", "POLICY"),
    ]);
    (job, data)
}

#[tokio::test]
async fn employees_are_updated_with_a_diff_and_reasons_for_what_was_skipped() {
    let up = start(calm()).await;
    let id = first(&up).await;
    let (mut job, data) = employees();
    let data: Value = serde_json::from_str(&data.to_string().replace("POLICY", &id)).unwrap();
    job["dry-run"] = json!(true);
    let dry = up.post_with(&job, &[("data", &data.to_string())]).await.json();
    assert!(up.sim.changes(0).is_empty(), "a dry run writes nothing");
    job["dry-run"] = json!(false);
    let wrapped = json!({ "Employees": data }).to_string();
    let wet = up.post_with(&job, &[("data", &wrapped)]).await.json();
    assert_eq!(dry["diff"], wet["diff"]);
    assert_eq!(wet["updatedEmployeesCount"], 2);
    assert_eq!(wet["diff"]["diffToAdd"], json!({ id.clone(): ["new@acme.example"] }));
    let reasons: Vec<&str> =
        wet["skippedEmployees"].as_array().unwrap().iter().map(|s| s["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["No policy found for 'Marketing'", "Invalid manager email address 'manager@domain '"]);
    let members = up.section(&id, "employees").await;
    let sam = members.as_array().unwrap().iter().find(|m| m["email"] == "sam@acme.example").unwrap();
    assert_eq!((&sam["submitsTo"], &sam["employeeID"]), (&json!("lee@acme.example"), &json!("E-9")));
    assert_eq!(up.sim.changes(0).len(), 1);

    let mut leaver = data[0].clone();
    leaver["isTerminated"] = json!("true");
    let gone = up.post_with(&job, &[("data", &json!([leaver]).to_string())]).await.json();
    assert_eq!(gone["diff"]["diffToRemove"], json!({ id.clone(): ["new@acme.example"] }));
    let members = up.section(&id, "employees").await;
    assert!(members.as_array().unwrap().iter().all(|m| m["email"] != "new@acme.example"));
    assert_eq!(up.post(&job).await.refusal().0, 410, "no data");
}

#[tokio::test]
async fn employees_come_as_csv_too() {
    let up = start(calm()).await;
    let id = first(&up).await;
    let before = up.section(&id, "employees").await.as_array().unwrap().len();
    let job = job("update", json!({ "type": "employees", "policyID": id, "fileType": "csv" }));
    let data = "Admin,EmployeeEmail,ManagerEmail\ntrue,new@acme.example,lee@acme.example\n";
    let form = reqwest::multipart::Form::new().text("requestJobDescription", job.to_string()).text("data", data);
    let answer = crate::harness::answer(up.http.post(up.sim.endpoint()).multipart(form)).await;
    assert_eq!(answer.json(), json!({ "responseCode": 200, "nbEmployees": before + 1 }));
    let bad = up.post_with(&job, &[("data", "Email,ManagerEmail,Admin\n")]).await;
    assert_eq!(bad.refusal(), (500, "Column EmployeeEmail not found in CSV header".into()));
    assert_eq!(up.sim.changes(0).len(), 1);
}
