//! The report status updater (reference §2.14).
//!
//! Observed: only `REIMBURSED`, only from Approved; partial and even total skips answer code 200 with `skippedReports`
//! and without `failedReports`. The manual's 207 can be switched on.

use serde_json::{Value, json};

use super::Call;
use super::filters::ReportFilter;
use crate::answer::{Answer, JobResult, Refusal, TEXT};
use crate::fields;
use crate::tenant::ids;
use crate::tenant::report::{Payment, Step};
use crate::world::reports::NotChanged;

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "status", "paymentSource", "filters"]);
    let status = fields::filled(call.input, "status").ok_or_else(|| Refusal::parameter("status"))?;
    if status != "REIMBURSED" {
        return Err(Refusal::invalid(format!("Status '{status}' is not supported")));
    }
    let source = fields::filled(call.input, "paymentSource");
    if source.as_ref().is_some_and(|source| source.chars().count() > 100) {
        return Err(Refusal::parameter("paymentSource"));
    }
    let filters = fields::object(call.input, "filters").ok_or_else(|| Refusal::parameter("filters"))?;
    let filter = ReportFilter::read(filters, call.moment.server)?;
    let (done, skipped) = reimburse(call, &filter, source.as_deref());
    let mut answer = json!({ "skippedReports": skipped, "reportIDs": done, "responseCode": 200 });
    let partial = answer["skippedReports"].as_array().is_some_and(|skipped| !skipped.is_empty());
    if partial && call.sim.config.partial_is_207 {
        answer["responseCode"] = json!(207);
        answer["failedReports"] = json!([]);
    } else if !partial {
        answer.as_object_mut().map(|answer| answer.remove("skippedReports"));
    }
    Ok(Answer::json(TEXT, &answer))
}

fn reimburse(call: &Call<'_>, filter: &ReportFilter, source: Option<&str>) -> (Vec<String>, Vec<Value>) {
    let mut world = call.sim.world();
    let passing = world.tenant.reports.values().filter(|report| filter.keeps(report) && world.sees(report));
    let numbers: Vec<u64> = passing.map(|report| report.number).collect();
    let (mut done, mut skipped) = (Vec::new(), Vec::new());
    for number in numbers {
        let payment = Payment::Manual { source: source.map(str::to_owned) };
        match world.step_report(number, Step::Reimburse(payment), call.moment) {
            Ok(_) => done.push(ids::report_id(number)),
            Err(NotChanged::State(state)) => skipped.push(json!({
                "reason": format!("Report is in status '{}'", state.status()), "reportID": ids::report_id(number),
            })),
            Err(NotChanged::Missing | NotChanged::Same) => {}
        }
    }
    (done, skipped)
}
