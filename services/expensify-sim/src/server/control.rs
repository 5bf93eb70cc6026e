//! The control API. It has no credential: bind the simulator to loopback.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::error::ControlError;
use crate::faults::Faults;
use crate::journal::Record;
use crate::sim::{ReportLine, Sim};
use crate::stats::Stats;
use crate::world::trigger::Trigger;

/// Changes in one answer unless the caller asks for fewer.
const CHANGES_PER_ANSWER: usize = 10_000;

pub(super) fn router() -> Router<Arc<Sim>> {
    Router::new()
        .route("/stats", get(stats))
        .route("/changes", get(changes).post(trigger))
        .route("/pace", get(pace).post(set_pace))
        .route("/faults", get(faults).put(set_faults))
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
