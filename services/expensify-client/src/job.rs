//! The jobs that we ask for, as the server wants them described (reference sections 1.3 and 2).

use event_model::ReportState;
use jiff::civil::Date;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::config::Credentials;

/// A kind of request; also the `job` label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobKind {
    /// Start a report export; answers with the name of a file.
    Export,
    /// Fetch a file.
    Download,
    /// The policies that the credential sees.
    PolicyList,
    /// Details of policies, many in one request.
    Policy,
    /// Cards of a domain.
    DomainCardList,
    /// Start an export of a domain's card transactions.
    Reconciliation,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Export, Self::Download, Self::PolicyList, Self::Policy, Self::DomainCardList, Self::Reconciliation];

    /// The name in metrics and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Download => "download",
            Self::PolicyList => "policy_list",
            Self::Policy => "policy",
            Self::DomainCardList => "domain_card_list",
            Self::Reconciliation => "reconciliation",
        }
    }
}

/// Which reports an export is about. At least one of `report_ids`, `start_date`, `approved_after` must be set, or the
/// server refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// These reports only.
    pub report_ids: Vec<String>,
    /// Reports on these policies only.
    pub policy_ids: Vec<String>,
    /// The later of created and submitted is this day or after.
    pub start_date: Option<Date>,
    /// The same day is this day or before. Needed when the start is over a year ago; the span is a year at most.
    pub end_date: Option<Date>,
    /// Approved after this day (whether the day itself counts is not certain: reference section 8, U10).
    pub approved_after: Option<Date>,
}

/// A report export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportExport {
    /// Which reports.
    pub filter: ReportFilter,
    /// In these states only; empty: in any.
    pub states: Vec<ReportState>,
    /// At most so many. Which ones is not said: a limited read never shows absence.
    pub limit: Option<u32>,
}

/// So many ids are to be asked for in one export: six kilobytes of a form.
pub const MAX_REPORT_IDS: usize = 500;

impl ReportExport {
    /// The export of exactly these reports, in whatever state they are, known to us or not: no dates, no states. The server
    /// leaves out what it does not know. Give it [`MAX_REPORT_IDS`] at most.
    pub fn by_ids(ids: &[String]) -> Self {
        Self { filter: ReportFilter { report_ids: ids.to_vec(), ..ReportFilter::default() }, ..Self::default() }
    }
}

/// Which card transactions a reconciliation covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconciliationType {
    /// All of them.
    All,
    /// Those on no report.
    Unreported,
}

/// An export of a domain's card transactions; domain admins only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciliationExport {
    /// First day.
    pub start_date: Date,
    /// Last day.
    pub end_date: Date,
    /// Whose cards.
    pub domain: String,
    /// Which transactions.
    pub kind: ReconciliationType,
    /// One feed only; `None`: all feeds.
    pub feed: Option<String>,
    /// `csv`, `txt`, `json` or `xml`: how the file is named.
    pub file_extension: String,
    /// FreeMarker text on the reconciliation's own data model (reference section 3.9).
    pub template: String,
}

/// Where the server keeps a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Report exports.
    IntegrationServer,
    /// Reconciliations.
    Reconciliation,
}

impl FileSystem {
    const fn as_str(self) -> &'static str {
        match self {
            Self::IntegrationServer => "integrationServer",
            Self::Reconciliation => "reconciliation",
        }
    }
}

/// One job, ready to send: its description without credentials, and its template if it has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) kind: JobKind,
    description: Value,
    pub(crate) template: Option<String>,
}

impl Job {
    pub(crate) fn export(export: &ReportExport, template: String) -> Self {
        let mut filters = serde_json::Map::new();
        let filter = &export.filter;
        for (key, ids) in [("reportIDList", &filter.report_ids), ("policyIDList", &filter.policy_ids)] {
            if !ids.is_empty() {
                filters.insert(key.to_owned(), json!(ids.join(",")));
            }
        }
        let dates =
            [("startDate", filter.start_date), ("endDate", filter.end_date), ("approvedAfter", filter.approved_after)];
        for (key, date) in dates {
            if let Some(date) = date {
                filters.insert(key.to_owned(), json!(date.to_string()));
            }
        }
        let mut input = json!({ "type": "combinedReportData", "filters": filters });
        if !export.states.is_empty() {
            let states: Vec<&str> = export.states.iter().map(ReportState::as_str).collect();
            input["reportState"] = json!(states.join(","));
        }
        if let Some(limit) = export.limit {
            input["limit"] = json!(limit.to_string());
        }
        let description = json!({
            "type": "file",
            "onReceive": { "immediateResponse": ["returnRandomFileName"] },
            "inputSettings": input,
            "outputSettings": { "fileExtension": "json", "fileBasename": "expensewire" },
        });
        Self { kind: JobKind::Export, description, template: Some(template) }
    }

    pub(crate) fn download(name: &str, system: FileSystem) -> Self {
        let description = json!({ "type": "download", "fileName": name, "fileSystem": system.as_str() });
        Self { kind: JobKind::Download, description, template: None }
    }

    pub(crate) fn policy_list(admin_only: bool) -> Self {
        Self::get(JobKind::PolicyList, json!({ "type": "policyList", "adminOnly": admin_only }))
    }

    pub(crate) fn policies(ids: &[&str]) -> Self {
        let fields = ["categories", "reportFields", "tags", "tax", "employees"];
        Self::get(JobKind::Policy, json!({ "type": "policy", "policyIDList": ids, "fields": fields }))
    }

    pub(crate) fn domain_cards(domain: &str) -> Self {
        Self::get(JobKind::DomainCardList, json!({ "type": "domainCardList", "domain": domain }))
    }

    fn get(kind: JobKind, input: Value) -> Self {
        Self { kind, description: json!({ "type": "get", "inputSettings": input }), template: None }
    }

    pub(crate) fn reconciliation(export: &ReconciliationExport) -> Self {
        let kind = match export.kind {
            ReconciliationType::All => "All",
            ReconciliationType::Unreported => "Unreported",
        };
        let description = json!({
            "type": "reconciliation",
            "inputSettings": {
                "startDate": export.start_date.to_string(),
                "endDate": export.end_date.to_string(),
                "domain": export.domain,
                "feed": export.feed.as_deref().unwrap_or("export_all_feeds"),
                "type": kind,
                "async": false,
            },
            "outputSettings": { "fileExtension": export.file_extension },
        });
        Self { kind: JobKind::Reconciliation, description, template: Some(export.template.clone()) }
    }

    /// The `requestJobDescription`, credentials included: never to be printed.
    pub(crate) fn with_credentials(&self, credentials: &Credentials) -> String {
        let mut description = self.description.clone();
        description["credentials"] = json!({
            "partnerUserID": credentials.partner_user_id,
            "partnerUserSecret": credentials.partner_user_secret.expose_secret(),
        });
        description.to_string()
    }

    /// What is asked, for errors: the description without credentials, shortened.
    pub(crate) fn asked(&self) -> Asked {
        let input = self.description.get("inputSettings").unwrap_or(&self.description);
        Asked { job: self.kind, parameters: crate::text::presentable(&input.to_string(), PARAMETERS_CHARS) }
    }
}

/// So many characters of a job's parameters are kept for errors: a list of some dozen ids, not of thousands.
const PARAMETERS_CHARS: usize = 400;

/// What a request asked for, without credentials, as errors carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The kind of job.
    pub job: JobKind,
    /// Its parameters as JSON, shortened.
    pub parameters: String,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.job.as_str(), self.parameters)
    }
}

#[cfg(test)]
mod tests;
