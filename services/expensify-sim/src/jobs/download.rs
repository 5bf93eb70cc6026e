//! The downloader (reference §2.3): a file's bytes, as often as asked.

use bytes::Bytes;

use super::Call;
use crate::answer::{Answer, JobResult, Refusal};
use crate::faults::FaultKind;
use crate::fields;
use crate::files::FileSystem;

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.job, "download", &["type", "credentials", "fileName", "fileSystem"]);
    let name = fields::filled(call.job, "fileName").ok_or_else(|| Refusal::parameter("fileName"))?;
    let system = match fields::text(call.job, "fileSystem").as_deref() {
        None | Some("integrationServer") => FileSystem::IntegrationServer,
        Some("reconciliation") => FileSystem::Reconciliation,
        Some(_) => return Err(Refusal::parameter("fileSystem")),
    };
    call.sim.exports().asked(&name, call.moment.at);
    if call.sim.strikes(FaultKind::FileNotFound) {
        return Err(not_found());
    }
    let content = call.sim.files().read(system, &name).ok_or_else(not_found)?;
    call.sim.counters().downloads += 1;
    Ok(Answer { content_type: content_type(&name), body: damaged(call, content), held: None })
}

fn not_found() -> Refusal {
    Refusal::new(404, "File not found")
}

fn damaged(call: &Call<'_>, content: Bytes) -> Bytes {
    if call.sim.strikes(FaultKind::EmptyDownload) {
        return Bytes::new();
    }
    if call.sim.strikes(FaultKind::TruncatedDownload) {
        return content.slice(..content.len() / 2);
    }
    content
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("csv") => "text/csv;charset=utf-8",
        Some("txt") => "text/plain;charset=utf-8",
        Some("xml") => "application/xml",
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}
