//! The sixteen jobs of the Integration Server (reference §2).
//!
//! A job reads its JSON leniently, answers in the words of the reference's Appendix A where they are known, and changes
//! the tenant only after everything in the request was found good.

mod cards_get;
mod csv;
mod download;
mod employees;
mod employees_csv;
mod expense_rules;
mod expenses_create;
mod export;
mod filters;
mod policy_create;
mod policy_get;
mod policy_update;
mod reconciliation;
mod report_create;
mod report_status;
mod tag_approvers;
mod tag_files;

use crate::answer::{JobResult, Refusal};
use crate::config::Credentials;
use crate::fields::{self, Object};
use crate::server::params::Params;
use crate::sim::Sim;
use crate::tenant::Tenant;
use crate::world::{By, Moment};

/// The message for a job without credentials.
pub(crate) const NO_AUTHENTICATION: &str = "No authentication method specified";
/// The message for a wrong pair.
pub(crate) const AUTHENTICATION_ERROR: &str = "Authentication error";

/// One job and all it may look at.
pub(crate) struct Call<'a> {
    pub(crate) sim: &'a Sim,
    pub(crate) params: &'a Params,
    /// The whole description.
    pub(crate) job: &'a Object,
    /// Its `inputSettings`; empty when there are none.
    pub(crate) input: &'a Object,
    pub(crate) moment: Moment,
}

impl Call<'_> {
    /// A number that is another at every request.
    fn read_number(&self) -> u64 {
        self.sim.counters().requests
    }
}

type Run = fn(&Call<'_>) -> JobResult;

/// What `requestJobDescription` says, as far as it can be read.
pub(crate) struct Description {
    job: Result<Object, Refusal>,
    input: Object,
}

impl Description {
    /// Reads the parameter.
    pub(crate) fn read(params: &Params) -> Self {
        let job = match params.value("requestJobDescription") {
            None => Err(Refusal::new(500, "requestJobDescription is missing")),
            Some(text) => serde_json::from_str::<Object>(text)
                .map_err(|error| Refusal::new(500, format!("requestJobDescription is not a JSON object: {error}"))),
        };
        let input = job.as_ref().ok().and_then(|job| fields::object(job, "inputSettings")).cloned().unwrap_or_default();
        Self { job, input }
    }

    /// The job's name, for counting.
    pub(crate) fn name(&self) -> &'static str {
        self.job.as_ref().ok().and_then(|job| find(job, &self.input)).map_or("unknown", |(name, _)| name)
    }

    /// Whether it is the report exporter.
    pub(crate) fn is_export(&self) -> bool {
        self.name() == "file/combinedReportData"
    }

    /// Whose rate window this is; blank when it does not say.
    pub(crate) fn partner_user_id(&self) -> &str {
        let credentials = self.job.as_ref().ok().and_then(|job| fields::object(job, "credentials"));
        credentials.and_then(|pair| pair.get("partnerUserID")?.as_str()).unwrap_or_default()
    }
}

/// Runs the described job.
pub(crate) fn run(sim: &Sim, params: &Params, description: &Description) -> JobResult {
    let job = description.job.as_ref().map_err(Clone::clone)?;
    authenticate(job, &sim.config.credentials)?;
    let Some((_, run)) = find(job, &description.input) else {
        return Err(unknown(sim, job));
    };
    run(&Call { sim, params, job, input: &description.input, moment: sim.moment(By::Job) })
}

/// Credentials come before everything else in a job.
fn authenticate(job: &Object, expected: &Credentials) -> Result<(), Refusal> {
    let none = || Refusal::new(403, NO_AUTHENTICATION);
    let pair = fields::object(job, "credentials").filter(|pair| !pair.is_empty()).ok_or_else(none)?;
    let id = fields::text(pair, "partnerUserID").unwrap_or_default();
    let secret = fields::text(pair, "partnerUserSecret").unwrap_or_default();
    if id == expected.partner_user_id && secret == expected.partner_user_secret {
        return Ok(());
    }
    Err(Refusal::new(404, AUTHENTICATION_ERROR))
}

fn find(job: &Object, input: &Object) -> Option<(&'static str, Run)> {
    let word = |object: &Object, key: &str| fields::text(object, key).unwrap_or_default();
    let found: (&'static str, Run) = match (word(job, "type").as_str(), word(input, "type").as_str()) {
        ("file", "combinedReportData") => ("file/combinedReportData", export::run),
        ("reconciliation", _) => ("reconciliation", reconciliation::run),
        ("download", _) => ("download", download::run),
        ("create", "expenses") => ("create/expenses", expenses_create::run),
        ("create", "report") => ("create/report", report_create::run),
        ("create", "policy") => ("create/policy", policy_create::run),
        ("create", "expenseRules") => ("create/expenseRules", expense_rules::create),
        ("get", "policy") => ("get/policy", policy_get::one_or_more),
        ("get", "policyList") => ("get/policyList", policy_get::list),
        ("get", "domainCardList") => ("get/domainCardList", cards_get::run),
        ("update", "policy") => ("update/policy", policy_update::run),
        ("update", "employees") if word(input, "entity") == "generic" => ("update/employees", employees::run),
        ("update", "employees") => ("update/employeesCsv", employees_csv::run),
        ("update", "reportStatus") => ("update/reportStatus", report_status::run),
        ("update", "expenseRules") => ("update/expenseRules", expense_rules::update),
        ("update", "tagApprovers") => ("update/tagApprovers", tag_approvers::run),
        _ => return None,
    };
    Some(found)
}

fn unknown(sim: &Sim, job: &Object) -> Refusal {
    match fields::text(job, "type").as_deref() {
        Some("file" | "create" | "get" | "update") => Refusal::invalid("Argument 'type' is missing or malformed"),
        _ => Refusal::new(sim.config.unknown_type_code, "Unknown job type"),
    }
}

/// The account to act for: the caller's own or one of the tenant's people.
///
/// # Errors
/// The recorded message when the address is a stranger's.
fn granted(tenant: &Tenant, email: &str) -> Result<(), Refusal> {
    tenant.person(email).map(|_| ()).ok_or_else(|| Refusal::foreign(email))
}

/// The policy that `inputSettings.policyID` names.
fn policy_id(call: &Call<'_>) -> Result<String, Refusal> {
    let id = fields::filled(call.input, "policyID").ok_or_else(|| Refusal::parameter("policyID"))?;
    if call.sim.world().tenant.policies.contains_key(&id) {
        return Ok(id);
    }
    Err(no_policy(&id))
}

fn no_policy(id: &str) -> Refusal {
    Refusal::new(404, format!("Policy '{id}' not found"))
}
