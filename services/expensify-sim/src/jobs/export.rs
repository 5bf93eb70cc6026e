//! The report exporter (reference §2.1): writes a file and answers its bare name.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

use super::filters::{self, ReportFilter};
use super::{Call, granted};
use crate::answer::{Answer, Held, JobResult, Refusal};
use crate::distort::Plan;
use crate::faults::FaultKind;
use crate::fields;
use crate::files::FileSystem;
use crate::form::ReportForm;
use crate::template::{self, Recognised};
use crate::tenant::report::{Report, State};

const EXTENSIONS: [&str; 7] = ["csv", "xls", "xlsx", "txt", "pdf", "json", "xml"];
const JOB_KEYS: [&str; 7] = ["type", "credentials", "onReceive", "inputSettings", "outputSettings", "onFinish", "test"];
const INPUT_KEYS: [&str; 5] = ["type", "reportState", "limit", "employeeEmail", "filters"];
const OUTPUT_KEYS: [&str; 4] = ["fileExtension", "fileBasename", "includeFullPageReceiptsPdf", "spreadsheetFilename"];

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.job, "export", &JOB_KEYS);
    fields::note_unknown(call.input, "inputSettings", &INPUT_KEYS);
    fields::object(call.job, "onReceive").ok_or_else(|| Refusal::parameter("onReceive"))?;
    if call.sim.strikes(FaultKind::ExportForbidden) {
        return Err(Refusal::new(403, "You do not have permission to export these reports"));
    }
    let filter = read_filter(call)?;
    let limit = read_limit(call)?;
    let names = file_names(call)?;
    let template = call.params.value("template").filter(|text| !text.trim().is_empty());
    let template = template.ok_or_else(|| Refusal::invalid("No Template Submitted"))?;
    let recognised = template::recognise(template).ok_or_else(unknown_template)?;
    let begun = Instant::now();
    let read_at = Timestamp::now();
    let reports = select(call, &filter, limit, read_at);
    let content = render(call, &recognised, reports.clone());
    let requests = call.sim.counters().requests;
    let first = names.first().map_or("", String::as_str);
    let n = call.sim.exports().rendered((read_at, requests), (filter.ids(), reports.len()), content.len(), first);
    for name in &names {
        call.sim.files().keep(FileSystem::IntegrationServer, name.clone(), content.clone());
    }
    finish(call, &reports);
    let us = call.sim.settings().render_us_per_report.saturating_mul(u64::try_from(reports.len()).unwrap_or(u64::MAX));
    let held = Held { export: n, until: begun + Duration::from_micros(us) };
    Ok(Answer { held: Some(held), ..Answer::text(names.join(",")) })
}

fn unknown_template() -> Refusal {
    Refusal::invalid("The simulator is no FreeMarker engine: it knows only the templates of Expensewire, byte for byte")
}

fn read_filter(call: &Call<'_>) -> Result<ReportFilter, Refusal> {
    let filters = fields::object(call.input, "filters").ok_or_else(|| Refusal::parameter("filters"))?;
    let mut filter = ReportFilter::read(filters, call.moment.server)?;
    filter.states = filters::states(call.input)?;
    let Some(email) = fields::filled(call.input, "employeeEmail") else { return Ok(filter) };
    let world = call.sim.world();
    granted(&world.tenant, &email)?;
    if email != world.tenant.caller.email {
        let mut states = filter
            .states
            .unwrap_or_else(|| vec![State::Submitted, State::Approved, State::Reimbursed, State::Archived]);
        states.retain(|state| *state != State::Open);
        filter.states = Some(states);
        filter.submitter = Some(email);
    }
    Ok(filter)
}

fn read_limit(call: &Call<'_>) -> Result<usize, Refusal> {
    if !call.input.contains_key("limit") {
        return Ok(usize::MAX);
    }
    let limit = fields::integer(call.input, "limit").and_then(|limit| usize::try_from(limit).ok());
    limit.filter(|limit| *limit > 0).ok_or_else(|| Refusal::parameter("limit"))
}

/// `<basename><uuid>.<extension>`, one for each extension.
fn file_names(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let missing = || Refusal::parameter("fileExtension");
    let output = fields::object(call.job, "outputSettings").ok_or_else(missing)?;
    fields::note_unknown(output, "outputSettings", &OUTPUT_KEYS);
    let extensions = fields::filled(output, "fileExtension").ok_or_else(missing)?;
    let base = fields::filled(output, "fileBasename").unwrap_or_else(|| "export".to_owned());
    let named = |extension: &str| match EXTENSIONS.contains(&extension) {
        true => Ok(format!("{base}{}.{extension}", Uuid::new_v4())),
        false => Err(missing()),
    };
    fields::comma_list(&extensions).into_iter().map(named).collect()
}

/// The reports that pass and show, read at one moment.
fn select(call: &Call<'_>, filter: &ReportFilter, limit: usize, read_at: Timestamp) -> Vec<Arc<Report>> {
    let mut world = call.sim.world();
    world.newest_read = Some(read_at);
    let passing = world.tenant.reports.values().filter(|report| filter.keeps(report) && world.sees(report));
    passing.take(limit).cloned().collect()
}

fn render(call: &Call<'_>, recognised: &Recognised, mut reports: Vec<Arc<Report>>) -> Bytes {
    let zone_s = call.sim.settings().zone_s;
    let (plan, mut form) = {
        let mut faults = call.sim.fault_state();
        (Plan::draw(&mut faults, &mut reports), ReportForm::draw(&mut faults, call.moment.server, zone_s))
    };
    {
        let mut counters = call.sim.counters();
        counters.exports_rendered += 1;
        counters.rows_exported += u64::try_from(reports.len()).unwrap_or_default();
    }
    plan.render(&call.sim.config.engine, &reports, |reports, engine| {
        let models = reports.iter().map(|report| form.model(report));
        match recognised {
            Recognised::Reports { nonce } => template::render_each(models, nonce, engine),
            Recognised::Doctor { nonce } => template::render_doctor(&models.collect::<Vec<_>>(), nonce, engine),
        }
    })
}

/// Does `onFinish`, unless `test` says not to. Mail and SFTP go nowhere.
fn finish(call: &Call<'_>, reports: &[Arc<Report>]) {
    if fields::flag(call.job, "test") == Some(true) {
        return;
    }
    for action in fields::list(call.job, "onFinish").unwrap_or_default().iter().filter_map(Value::as_object) {
        match (fields::text(action, "actionName").as_deref(), fields::filled(action, "label")) {
            (Some("markAsExported"), Some(label)) => {
                let mut world = call.sim.world();
                for marked in reports {
                    let report = world.tenant.reports.get_mut(&marked.number);
                    report.map(|report| Arc::make_mut(report).exported.insert(label.clone()));
                }
            }
            (name, _) => tracing::debug!(name, "an onFinish action without effect in the simulator"),
        }
    }
}
