//! How each account stands, and what a person may have it do.

use std::sync::Arc;

use axum::{Json, extract::State};
use event_model::AccountName;
use http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::InPath;
use crate::{
    caller::Caller,
    fields::{Faults, Fields, JsonObject, OptionalObject, text, whole},
    params::cut,
    problem::Refusal,
    state::Api,
    view::AccountView,
    watching::Refresh,
};

pub(super) mod operations;

/// Longest id of a report: the new spelling has 12 characters, the decimal one of old up to 20.
const MAX_REPORT_ID: usize = 24;
/// Longest name of a scope: a kind, and a domain of at most 253.
const MAX_SCOPE: usize = 300;

type Shared = State<Arc<Api>>;

#[derive(Serialize, JsonSchema)]
pub(super) struct Accounts {
    accounts: Vec<AccountView>,
}

/// `GET /v1/accounts`
pub(super) async fn list(State(api): Shared, caller: Caller) -> Json<Accounts> {
    Json(Accounts { accounts: views(&api, &caller) })
}

/// `GET /v1/accounts/{name}`
pub(super) async fn show(
    State(api): Shared,
    caller: Caller,
    InPath(name): InPath<String>,
) -> Result<Json<AccountView>, Refusal> {
    let found = views(&api, &caller).into_iter().find(|account| account.status.name.as_str() == name);
    found.map(Json).ok_or_else(|| missing(&name))
}

fn views(api: &Api, caller: &Caller) -> Vec<AccountView> {
    let now = Timestamp::now();
    let accounts = api.deps.accounts.borrow().clone();
    let seen = accounts.into_iter().filter(|status| caller.reach().accounts.permits(&status.name));
    seen.map(|status| AccountView::of(status, now)).collect()
}

/// The answer to a refresh.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QueuedRead")]
pub(super) struct Queued {
    account: AccountName,
    /// What is read as soon as the budget allows: `account/acme`, `report/R00AbCdEf123`.
    queued: String,
}

/// `POST /v1/accounts/{name}/refresh`: reads now, everything or one report, within the budget.
pub(super) async fn refresh(
    State(api): Shared,
    caller: Caller,
    InPath(name): InPath<String>,
    OptionalObject(body): OptionalObject,
) -> Result<(StatusCode, Json<Queued>), Refusal> {
    let account = named(&api, &caller, &name)?;
    let mut fields = Fields::new(body.fields);
    let report = fields.take("report", report_id).given();
    fields.finish(&["report"]).finish()?;
    let queued = match &report {
        Some(id) => format!("report/{id}"),
        None => format!("account/{account}"),
    };
    let what = report.map_or(Refresh::All, Refresh::Report);
    api.deps.watching.refresh(&account, what).await.map_err(|refusal| refusal.of(&account, ""))?;
    Ok((StatusCode::ACCEPTED, Json(Queued { account, queued })))
}

/// An id in the new spelling (`R` and base-62 digits) or the decimal one.
fn report_id(faults: &mut Faults, at: &str, value: Value) -> Option<String> {
    let id = text(faults, at, value)?;
    let decimal = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    let rest = id.strip_prefix('R').unwrap_or_default();
    let new = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    if (decimal || new) && id.len() <= MAX_REPORT_ID {
        return Some(id);
    }
    faults.note(at, format!("{:?} is not the id of a report, like R00AbCdEf123", cut(&id)));
    None
}

/// The answer to a release.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Released")]
pub(super) struct ReleasedView {
    account: AccountName,
    scope: String,
    /// Entities told as removed.
    removed: u64,
    /// Entities that are read by their ids before they are.
    confirming: u64,
}

/// `POST /v1/accounts/{name}/release`: a person confirms a mass disappearance that is withheld.
pub(super) async fn release(
    State(api): Shared,
    caller: Caller,
    InPath(name): InPath<String>,
    body: JsonObject,
) -> Result<Json<ReleasedView>, Refusal> {
    let account = named(&api, &caller, &name)?;
    let mut fields = Fields::new(body.fields);
    let scope = fields.require("scope", scope);
    let ceiling = fields.require("ceiling", ceiling);
    fields.finish(&["scope", "ceiling"]).finish()?;
    // What was not read is among the faults.
    let (scope, ceiling) = (scope.unwrap_or_default(), ceiling.unwrap_or_default());
    let released = api.deps.watching.release(&account, &scope, ceiling).await;
    let released = released.map_err(|refusal| refusal.of(&account, &scope))?;
    tracing::info!(%account, scope, ceiling, removed = released.removed, "a mass disappearance was released");
    Ok(Json(ReleasedView { account, scope, removed: released.removed, confirming: released.confirming }))
}

fn scope(faults: &mut Faults, at: &str, value: Value) -> Option<String> {
    let scope = text(faults, at, value)?;
    if (1..=MAX_SCOPE).contains(&scope.len()) {
        return Some(scope);
    }
    faults.note(at, "must be the name of a scope, as the account shows it: reports, policies, cards:acme.example");
    None
}

fn ceiling(faults: &mut Faults, at: &str, value: Value) -> Option<u64> {
    let ceiling = whole(&value).filter(|ceiling| *ceiling > 0);
    if ceiling.is_none() {
        faults.note(at, "must be a number, 1 or more: how many may be gone");
    }
    ceiling
}

fn named(api: &Api, caller: &Caller, name: &str) -> Result<AccountName, Refusal> {
    caller.accounts(api).into_iter().find(|account| account.as_str() == name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Refusal {
    Refusal::NotFound { what: "account", id: cut(name) }
}
