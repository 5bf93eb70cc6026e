//! The report creator (reference §2.5). Its expenses have the key `date` where the expense creator has `created`.

use serde_json::{Value, json};

use super::expenses_create::{add, plain};
use super::{Call, granted, policy_id};
use crate::answer::{Answer, JobResult, Refusal, TEXT};
use crate::fields;
use crate::tenant::ids;
use crate::tenant::report::Report;

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "policyID", "employeeEmail", "report", "expenses"]);
    let policy = policy_id(call)?;
    let email = fields::filled(call.input, "employeeEmail").ok_or_else(|| Refusal::parameter("employeeEmail"))?;
    let wanted = fields::object(call.input, "report").ok_or_else(|| Refusal::parameter("report"))?;
    let title = fields::filled(wanted, "title").ok_or_else(|| Refusal::parameter("title"))?;
    let list = fields::list(call.input, "expenses").ok_or_else(|| Refusal::parameter("expenses"))?;
    let mut world = call.sim.world();
    granted(&world.tenant, &email)?;
    let mut expenses = Vec::new();
    for item in list {
        let item = item.as_object().ok_or_else(|| Refusal::parameter("expenses"))?;
        expenses.push(plain(call, &mut world, item, "date")?);
    }
    let policy = world.tenant.policies.get(&policy).ok_or_else(|| super::no_policy(&policy))?;
    let mut report = Report::draft(&world.tenant, policy, &email, title.clone(), call.moment.server);
    for (key, value) in fields::object(wanted, "fields").into_iter().flatten() {
        report
            .custom_fields
            .insert(custom_field_key(key), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let number = add(call, &mut world, report, expenses)?;
    let answer: Value = json!({ "responseCode": 200, "reportName": title, "reportID": ids::report_id(number) });
    Ok(Answer::json(TEXT, &answer))
}

/// A report field's name with everything but letters and digits replaced by `_`.
fn custom_field_key(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
