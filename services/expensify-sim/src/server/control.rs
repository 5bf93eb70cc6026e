//! The control API. It has no credential: bind the simulator to loopback.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::access::{Access, AccessChange};
use crate::error::ControlError;
use crate::faults::Faults;
use crate::fields::Object;
use crate::journal::Record;
use crate::settings::Settings;
use crate::sim::{ReportLine, Sim};
use crate::stats::Stats;
use crate::world::burst::Burst;
use crate::world::hidden::Hide;
use crate::world::trigger::{EntityKind, Trigger};

/// Changes in one answer unless the caller asks for fewer.
const CHANGES_PER_ANSWER: usize = 10_000;

pub(super) fn router() -> Router<Arc<Sim>> {
    Router::new()
        .route("/stats", get(stats))
        .route("/changes", get(changes).post(trigger))
        .route("/pace", get(pace).post(set_pace))
        .route("/bursts", post(burst))
        .route("/access", get(access).post(change_access))
        .route("/hidden", get(hidden).post(hide).delete(show))
        .route("/settings", get(settings).put(set_settings).patch(amend_settings))
        .route("/faults", get(faults).put(set_faults).patch(amend_faults))
        .route("/exports", get(exports))
        .route("/reports", get(reports))
        .route("/reports/{id}", get(report))
}

async fn stats(State(sim): State<Arc<Sim>>) -> Json<Stats> {
    Json(sim.snapshot())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn changes(State(sim): State<Arc<Sim>>, Query(query): Query<ChangesQuery>) -> Json<Value> {
    let world = sim.world();
    let limit = query.limit.unwrap_or(CHANGES_PER_ANSWER).min(CHANGES_PER_ANSWER);
    let journal = &world.journal;
    Json(json!({ "changes": journal.after(query.after, limit), "first": journal.first(), "last": journal.last() }))
}

async fn trigger(State(sim): State<Arc<Sim>>, Json(trigger): Json<Trigger>) -> Result<Json<Record>, Failure> {
    Ok(Json(sim.trigger(&trigger)?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pace {
    changes_per_minute: f64,
}

async fn pace(State(sim): State<Arc<Sim>>) -> Json<Value> {
    Json(json!({ "changes_per_minute": *sim.pace.borrow() }))
}

async fn set_pace(State(sim): State<Arc<Sim>>, Json(wanted): Json<Pace>) -> Result<Json<Value>, Failure> {
    sim.set_pace(wanted.changes_per_minute)?;
    Ok(pace(State(sim)).await)
}

async fn faults(State(sim): State<Arc<Sim>>) -> Json<Faults> {
    Json(sim.fault_state().faults())
}

async fn set_faults(State(sim): State<Arc<Sim>>, Json(wanted): Json<Faults>) -> Result<Json<Faults>, Failure> {
    sim.set_faults(wanted)?;
    Ok(faults(State(sim)).await)
}

async fn reports(State(sim): State<Arc<Sim>>) -> Json<Vec<ReportLine>> {
    Json(sim.reports())
}

async fn report(State(sim): State<Arc<Sim>>, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    let found = sim.report(&id).ok_or_else(|| ControlError::Missing(format!("report {id}")))?;
    Ok(Json(found))
}

async fn amend_faults(State(sim): State<Arc<Sim>>, Json(some): Json<Object>) -> Result<Json<Faults>, Failure> {
    let wanted = amended(&sim.fault_state().faults(), some)?;
    set_faults(State(sim), Json(wanted)).await
}

async fn settings(State(sim): State<Arc<Sim>>) -> Json<Settings> {
    Json(sim.settings())
}

async fn set_settings(State(sim): State<Arc<Sim>>, Json(wanted): Json<Settings>) -> Result<Json<Settings>, Failure> {
    sim.set_settings(wanted)?;
    Ok(settings(State(sim)).await)
}

async fn amend_settings(State(sim): State<Arc<Sim>>, Json(some): Json<Object>) -> Result<Json<Settings>, Failure> {
    let wanted = amended(&sim.settings(), some)?;
    set_settings(State(sim), Json(wanted)).await
}

/// The switches with some of them replaced.
fn amended<T: Serialize + DeserializeOwned>(all: &T, some: Object) -> Result<T, ControlError> {
    let invalid = |error: serde_json::Error| ControlError::Invalid(error.to_string());
    let mut whole = serde_json::to_value(all).map_err(invalid)?;
    if let Some(whole) = whole.as_object_mut() {
        whole.extend(some);
    }
    serde_json::from_value(whole).map_err(invalid)
}

async fn burst(State(sim): State<Arc<Sim>>, Json(wanted): Json<Burst>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "changes": sim.burst(&wanted)? })))
}

async fn access(State(sim): State<Arc<Sim>>) -> Json<Access> {
    Json(sim.world().access())
}

async fn change_access(State(sim): State<Arc<Sim>>, Json(wanted): Json<AccessChange>) -> Result<Json<Record>, Failure> {
    Ok(Json(sim.change_access(&wanted)?))
}

async fn hidden(State(sim): State<Arc<Sim>>) -> Json<Value> {
    let world = sim.world();
    let names = |kind| world.hidden.names(kind);
    let (reports, policies, cards) = (names(EntityKind::Report), names(EntityKind::Policy), names(EntityKind::Card));
    Json(json!({ "reports": reports, "policies": policies, "cards": cards }))
}

async fn hide(State(sim): State<Arc<Sim>>, Json(wanted): Json<Hide>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "hidden": sim.world().hide(&wanted)? })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    entity: Option<EntityKind>,
}

async fn show(State(sim): State<Arc<Sim>>, Query(query): Query<ShowQuery>) -> Json<Value> {
    Json(json!({ "shown": sim.world().show(query.entity) }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportsQuery {
    #[serde(default)]
    after: u64,
}

async fn exports(State(sim): State<Arc<Sim>>, Query(query): Query<ExportsQuery>) -> Json<Value> {
    Json(json!({ "exports": sim.exports().after(query.after) }))
}

/// A control error as HTTP.
struct Failure(ControlError);

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            ControlError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ControlError::Missing(_) => StatusCode::NOT_FOUND,
            ControlError::Impossible(_) => StatusCode::CONFLICT,
        };
        (status, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}
