//! The client: one method per job, each one request, and [`Client::report_rows`], which strings two of them together.

use std::{sync::Arc, time::Duration};

use event_model::{Card, Policy};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::Value;

use crate::{
    cards,
    classify::Answer,
    config::ClientConfig,
    doctor::{self, EngineReport},
    download::Download,
    error::{ClientError, SetupError},
    gate::Gate,
    job::{FileSystem, Job, ReconciliationExport, ReportExport, ReportFilter},
    policies::{self, PolicySummary},
    report_rows::ReportRows,
    row::DigestKey,
    template::{self, Nonce},
    transport::{Answered, Transport},
};

/// The probe looks at reports of so many days: short of the year past which an end date is needed.
const DOCTOR_DAYS: i64 = 360;

/// A client of one credential pair at one endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    download_waits: Arc<[Duration]>,
    /// Of this client's reads and its clones'.
    digests: DigestKey,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A file that the server has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFile {
    /// Its name on the server.
    pub name: String,
    /// Where the server keeps it.
    pub system: FileSystem,
    /// What its first and last record must carry; `None` when its template is not ours.
    pub nonce: Option<Nonce>,
    /// When the export was sent.
    pub started_at: Timestamp,
    /// When the export was answered: what the file shows was so before.
    pub rendered_by: Timestamp,
}

impl Client {
    /// A client whose every request passes `gate`.
    pub fn new(config: ClientConfig, gate: Arc<dyn Gate>) -> Result<Self, SetupError> {
        let transport = Transport::new(&config, gate)?;
        let digests = DigestKey::from_bytes(rand::random());
        Ok(Self { transport: Arc::new(transport), download_waits: config.download_waits.into(), digests })
    }

    /// Exports reports into a file on the server, by our template. One request, which takes as long as the rendering.
    pub async fn export_reports(&self, export: &ReportExport) -> Result<ExportedFile, ClientError> {
        let nonce = Nonce::from_bits(rand::random());
        let job = Job::export(export, template::reports(&nonce));
        self.file(job, FileSystem::IntegrationServer, Some(nonce)).await
    }

    /// Exports the card transactions of a domain into a file on the server, by the caller's template. One request.
    pub async fn reconciliation(&self, export: &ReconciliationExport) -> Result<ExportedFile, ClientError> {
        self.file(Job::reconciliation(export), FileSystem::Reconciliation, None).await
    }

    async fn file(&self, job: Job, system: FileSystem, nonce: Option<Nonce>) -> Result<ExportedFile, ClientError> {
        let answered = self.transport.ask(&job, self.transport.timeouts.export).await?;
        let Answer::Files(names) = &answered.answer else { return Err(answered.refused(&self.transport, &job)) };
        let [name] = names.as_slice() else {
            let reason = format!("{} files where one was asked for", names.len());
            return Err(ClientError::Unexpected { asked: job.asked(), reason });
        };
        let (started_at, rendered_by) = (answered.sent_at, answered.answered_at);
        Ok(ExportedFile { name: name.clone(), system, nonce, started_at, rendered_by })
    }

    /// Starts to download a file. One request; its lines come from the [`Download`].
    pub async fn download(&self, file: &ExportedFile) -> Result<Download, ClientError> {
        Download::start(Arc::clone(&self.transport), Job::download(&file.name, file.system)).await
    }

    /// Exports reports, one request, and makes ready to download the file, whose rows come from the [`ReportRows`] as they
    /// stream in.
    pub async fn report_rows(&self, export: &ReportExport) -> Result<ReportRows, ClientError> {
        let file = self.export_reports(export).await?;
        Ok(ReportRows::new(Arc::clone(&self.transport), file, &self.download_waits, self.digests))
    }

    /// The server's clock minus ours, to a second, from the newest answer that told it; `None` until one did.
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.transport.clock.offset()
    }

    /// The policies that the credential sees, or only those that it administers. One request; the cheapest that proves
    /// the credentials.
    pub async fn policy_list(&self, admin_only: bool) -> Result<Vec<PolicySummary>, ClientError> {
        let job = Job::policy_list(admin_only);
        let list = self.field(&job, "policyList").await?;
        policies::summaries(&list).map_err(|reason| unexpected(&job, reason))
    }

    /// The details of these policies, merged with their summaries. One request for all; a policy that is missing from
    /// the answer is left out.
    pub(crate) async fn policies(&self, summaries: &[PolicySummary]) -> Result<Vec<Policy>, ClientError> {
        let ids: Vec<&str> = summaries.iter().map(|summary| summary.policy_id.as_str()).collect();
        let job = Job::policies(&ids);
        let details = self.field(&job, "policyInfo").await?;
        policies::merged(summaries, &details).map_err(|reason| unexpected(&job, reason))
    }

    /// The cards of a domain; domain admins only. One request.
    pub async fn domain_cards(&self, domain: &str) -> Result<Vec<Card>, ClientError> {
        let job = Job::domain_cards(domain);
        let list = self.field(&job, "domainCardList").await?;
        cards::cards(domain, &list).map_err(|reason| unexpected(&job, reason))
    }

    /// One key of the envelope that a short job answers with.
    async fn field(&self, job: &Job, key: &str) -> Result<Value, ClientError> {
        let answered: Answered = self.transport.ask(job, self.transport.timeouts.short).await?;
        match answered.answer {
            Answer::Done(mut envelope) => {
                envelope.remove(key).ok_or_else(|| unexpected(job, format!("{key} is missing")))
            }
            _ => Err(answered.refused(&self.transport, job)),
        }
    }

    /// Probes the server's template engine: exports one report by the doctor template, which shows settings and kinds of
    /// values, and marks nothing. Two requests; the download is not retried.
    pub async fn doctor(&self) -> Result<EngineReport, ClientError> {
        let nonce = Nonce::from_bits(rand::random());
        let filter = ReportFilter { start_date: Some(doctor_start(Timestamp::now())), ..ReportFilter::default() };
        let export = ReportExport { filter, limit: Some(1), ..ReportExport::default() };
        let job = Job::export(&export, template::doctor(&nonce));
        let file = self.file(job, FileSystem::IntegrationServer, Some(nonce.clone())).await?;
        let mut download = self.download(&file).await?;
        let mut probe = doctor::Reader::new(nonce);
        while let Some(line) = download.next_line().await? {
            probe.line(&line);
        }
        let asked = Job::download(&file.name, file.system);
        probe.finish().map_err(|reason| unexpected(&asked, reason))
    }
}

fn doctor_start(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date().saturating_sub(DOCTOR_DAYS.days())
}

fn unexpected(job: &Job, reason: impl ToString) -> ClientError {
    ClientError::Unexpected { asked: job.asked(), reason: reason.to_string() }
}
