//! The report exporter (reference §2.1): writes a file and answers its bare name.

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::filters::{self, ReportFilter};
use super::{Call, granted};
use crate::answer::{Answer, JobResult, Refusal};
use crate::distort::Plan;
use crate::fields;
use crate::files::FileSystem;
use crate::template::{self, Recognised};
use crate::tenant::model;
use crate::tenant::report::{Report, State};

const EXTENSIONS: [&str; 7] = ["csv", "xls", "xlsx", "txt", "pdf", "json", "xml"];
const JOB_KEYS: [&str; 7] = ["type", "credentials", "onReceive", "inputSettings", "outputSettings", "onFinish", "test"];
const INPUT_KEYS: [&str; 5] = ["type", "reportState", "limit", "employeeEmail", "filters"];
const OUTPUT_KEYS: [&str; 4] = ["fileExtension", "fileBasename", "includeFullPageReceiptsPdf", "spreadsheetFilename"];

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.job, "export", &JOB_KEYS);
    fields::note_unknown(call.input, "inputSettings", &INPUT_KEYS);
    fields::object(call.job, "onReceive").ok_or_else(|| Refusal::parameter("onReceive"))?;
    let filter = read_filter(call)?;
    let limit = read_limit(call)?;
    let names = file_names(call)?;
    let template = call.params.value("template").filter(|text| !text.trim().is_empty());
    let template = template.ok_or_else(|| Refusal::invalid("No Template Submitted"))?;
    let recognised = template::recognise(template).ok_or_else(unknown_template)?;
    let (numbers, models) = select(call, &filter, limit);
    let content = render(call, &recognised, models);
    for name in &names {
        call.sim.files().keep(FileSystem::IntegrationServer, name.clone(), content.clone());
    }
    finish(call, &numbers);
    Ok(Answer::text(names.join(",")))
}

fn unknown_template() -> Refusal {
    Refusal::invalid("The simulator is no FreeMarker engine: it knows only the templates of Expensewire, byte for byte")
}

fn read_filter(call: &Call<'_>) -> Result<ReportFilter, Refusal> {
    let filters = fields::object(call.input, "filters").ok_or_else(|| Refusal::parameter("filters"))?;
    let mut filter = ReportFilter::read(filters, call.moment.at)?;
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

/// The numbers and data models of the reports that pass, read at one moment.
fn select(call: &Call<'_>, filter: &ReportFilter, limit: usize) -> (Vec<u64>, Vec<Value>) {
    let world = call.sim.world();
    let passing: Vec<&Report> =
        world.tenant.reports.values().filter(|report| filter.keeps(report)).take(limit).collect();
    (passing.iter().map(|report| report.number).collect(), passing.into_iter().map(model::report).collect())
}

fn render(call: &Call<'_>, recognised: &Recognised, mut models: Vec<Value>) -> Bytes {
    let plan = Plan::draw(&mut call.sim.fault_state(), &mut models);
    {
        let mut counters = call.sim.counters();
        counters.exports_rendered += 1;
        counters.rows_exported += u64::try_from(models.len()).unwrap_or_default();
    }
    plan.render(&call.sim.config.engine, &models, |models, engine| match recognised {
        Recognised::Reports { nonce } => template::render_reports(models, nonce, engine),
        Recognised::Doctor { nonce } => template::render_doctor(models, nonce, engine),
    })
}

/// Does `onFinish`, unless `test` says not to. Mail and SFTP go nowhere.
fn finish(call: &Call<'_>, numbers: &[u64]) {
    if fields::flag(call.job, "test") == Some(true) {
        return;
    }
    for action in fields::list(call.job, "onFinish").unwrap_or_default().iter().filter_map(Value::as_object) {
        match (fields::text(action, "actionName").as_deref(), fields::filled(action, "label")) {
            (Some("markAsExported"), Some(label)) => {
                let mut world = call.sim.world();
                for number in numbers {
                    world.tenant.reports.get_mut(number).map(|report| report.exported.insert(label.clone()));
                }
            }
            (name, _) => tracing::debug!(name, "an onFinish action without effect in the simulator"),
        }
    }
}
