//! The deprecated employee updater by CSV (reference §2.13).

use serde_json::json;

use super::{Call, csv, policy_id};
use crate::answer::{Answer, JobResult, Refusal, TEXT};
use crate::fields;
use crate::tenant::policy::{Employee, Policy};

const REQUIRED: [&str; 3] = ["EmployeeEmail", "ManagerEmail", "Admin"];

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "policyID", "fileType"]);
    if fields::text(call.input, "fileType").as_deref() != Some("csv") {
        return Err(Refusal::parameter("fileType"));
    }
    let id = policy_id(call)?;
    let rows = csv::read(call.params.value("data").ok_or_else(|| Refusal::parameter("data"))?, ',');
    let employees = read(&rows)?;
    let mut world = call.sim.world();
    world.edit_policy(&id, json!({ "parts": ["employees"] }), call.moment, |policy| apply(policy, employees));
    let count = world.tenant.policies.get(&id).map_or(0, |policy| policy.employees.len());
    Ok(Answer::json(TEXT, &json!({ "responseCode": 200, "nbEmployees": count })))
}

fn read(rows: &[Vec<String>]) -> Result<Vec<Employee>, Refusal> {
    let header: Vec<&str> = rows.first().map(|row| row.iter().map(|name| name.trim()).collect()).unwrap_or_default();
    let column = |name: &str| header.iter().position(|known| *known == name);
    if let Some(missing) = REQUIRED.into_iter().find(|name| column(name).is_none()) {
        return Err(Refusal::new(500, format!("Column {missing} not found in CSV header")));
    }
    let employee = |row: &Vec<String>| {
        let cell = |name: &str| column(name).and_then(|at| row.get(at)).map(|cell| cell.trim()).unwrap_or_default();
        let optional = |name: &str| Some(cell(name).to_owned()).filter(|text| !text.is_empty());
        let role = if cell("Admin").eq_ignore_ascii_case("true") { "admin" } else { "user" };
        Employee {
            employee_id: optional("EmployeeUserId"),
            custom_field_2: optional("EmployeePayrollId"),
            ..Employee::new(cell("EmployeeEmail"), role, cell("ManagerEmail"))
        }
    };
    Ok(rows.iter().skip(1).map(employee).filter(|employee| !employee.email.is_empty()).collect())
}

fn apply(policy: &mut Policy, employees: Vec<Employee>) {
    for employee in employees {
        match policy.employees.iter_mut().find(|known| known.email == employee.email) {
            Some(known) => *known = employee,
            None => policy.employees.push(employee),
        }
    }
}
