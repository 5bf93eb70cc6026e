//! The advanced employee updater (reference §2.12), for data sent with the request.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::Call;
use crate::answer::{Answer, JobResult, Refusal, TEXT};
use crate::fields::{self, Object};
use crate::tenant::policy::{Employee, Policy};

const KEYS: [&str; 11] = [
    "type",
    "credentials",
    "inputSettings",
    "dry-run",
    "dataSource",
    "setEmployeePrimaryPolicy",
    "shouldFixApprovalChains",
    "fixFirstLevelManagersOnly",
    "shouldSkipNotificationEmail",
    "onFinish",
    "test",
];

/// One record, found good.
struct Wanted {
    policy: String,
    email: String,
    employee: Option<Employee>,
}

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.job, "employees", &KEYS);
    if fields::text(call.job, "dataSource").as_deref() != Some("request") {
        return Err(Refusal::invalid(
            "The simulator takes employees from the request only: dataSource must be 'request'",
        ));
    }
    let records = records(call)?;
    let dry_run = fields::flag(call.job, "dry-run").unwrap_or(false);
    let mut world = call.sim.world();
    let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
    for record in &records {
        let read = read(record)?;
        match reason(record, &read, &world.tenant.policies) {
            Some(reason) => skipped.push(json!({ "email": read.email, "reason": reason })),
            None => wanted.push(read),
        }
    }
    let (added, removed) =
        (differences(&wanted, &world.tenant.policies, true), differences(&wanted, &world.tenant.policies, false));
    if !dry_run {
        for id in wanted.iter().map(|wanted| wanted.policy.clone()).collect::<std::collections::BTreeSet<_>>() {
            world.edit_policy(&id, json!({ "parts": ["employees"] }), call.moment, |policy| apply(policy, &wanted));
        }
    }
    let answer = json!({
        "responseCode": 200, "dry-run": dry_run, "updatedEmployeesCount": wanted.len(),
        "diff": { "diffToAdd": added, "diffToRemove": removed },
        "securityGroupEmployeesMap": security_groups(&records), "skippedEmployees": skipped,
    });
    Ok(Answer::json(TEXT, &answer))
}

/// The list, wrapped in `Employees` or bare: clients do both.
fn records(call: &Call<'_>) -> Result<Vec<Object>, Refusal> {
    let missing = || Refusal::parameter("data");
    let data: Value = serde_json::from_str(call.params.value("data").ok_or_else(missing)?).map_err(|_| missing())?;
    let list = match &data {
        Value::Array(list) => list,
        Value::Object(object) => object.get("Employees").and_then(Value::as_array).ok_or_else(missing)?,
        _ => return Err(missing()),
    };
    let records: Option<Vec<Object>> = list.iter().map(|record| record.as_object().cloned()).collect();
    records.filter(|records| !records.is_empty()).ok_or_else(missing)
}

fn read(record: &Object) -> Result<Wanted, Refusal> {
    let required = |key: &str| fields::filled(record, key).ok_or_else(|| Refusal::parameter(key));
    let (email, manager) = (required("employeeEmail")?, required("managerEmail")?);
    let (policy, employee_id) = (required("policyID")?, required("employeeID")?);
    let employee = Employee {
        employee_id: Some(employee_id.clone()),
        custom_field_1: Some(fields::filled(record, "customField1").unwrap_or(employee_id)),
        custom_field_2: fields::filled(record, "customField2"),
        ..Employee::new(&email, &fields::filled(record, "role").unwrap_or_default(), &manager)
    };
    let leaves = fields::flag(record, "isTerminated").unwrap_or(false);
    Ok(Wanted { policy, email, employee: (!leaves).then_some(employee) })
}

fn reason(record: &Object, wanted: &Wanted, policies: &BTreeMap<String, Policy>) -> Option<String> {
    let manager = fields::text(record, "managerEmail").unwrap_or_default();
    let shaped = manager.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    if !policies.contains_key(&wanted.policy) {
        return Some(format!("No policy found for '{}'", wanted.policy));
    }
    (!shaped || manager.contains(char::is_whitespace)).then(|| format!("Invalid manager email address '{manager}'"))
}

/// Addresses by policy that join it, or leave it.
fn differences(wanted: &[Wanted], policies: &BTreeMap<String, Policy>, joining: bool) -> Map<String, Value> {
    let mut by_policy: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for record in wanted.iter().filter(|record| record.employee.is_some() == joining) {
        let member = policies.get(&record.policy).is_some_and(|policy| policy.employee(&record.email).is_some());
        if member != joining {
            by_policy.entry(&record.policy).or_default().push(&record.email);
        }
    }
    by_policy.into_iter().map(|(policy, emails)| (policy.to_owned(), json!(emails))).collect()
}

/// Applied only when every record has a group.
fn security_groups(records: &[Object]) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        let (Some(group), Some(email)) =
            (fields::filled(record, "domainGroupID"), fields::filled(record, "employeeEmail"))
        else {
            return BTreeMap::new();
        };
        groups.entry(group).or_default().push(email);
    }
    groups
}

fn apply(policy: &mut Policy, wanted: &[Wanted]) {
    let id = policy.id.clone();
    for record in wanted.iter().filter(|record| record.policy == id) {
        let known = policy.employees.iter().position(|employee| employee.email == record.email);
        match (&record.employee, known) {
            (Some(employee), Some(at)) => {
                let role = std::mem::take(&mut policy.employees[at].role);
                policy.employees[at] = employee.clone();
                if policy.employees[at].role.is_empty() {
                    policy.employees[at].role = role;
                }
            }
            (Some(employee), None) => {
                let role = if employee.role.is_empty() { "user".to_owned() } else { employee.role.clone() };
                policy.employees.push(Employee { role, ..employee.clone() });
            }
            (None, Some(at)) => {
                policy.employees.remove(at);
            }
            (None, None) => {}
        }
    }
}
