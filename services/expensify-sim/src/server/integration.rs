//! The integration URL: parameters in, one job, bytes out.
//!
//! Order of things: the arrival is noted before the body is read; the rate windows are asked once the credential is known;
//! then faults that strike before a job; the job, which checks credentials first; faults that strike after it.

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::Scissors;
use super::params::{self, Params};
use crate::answer::{Answer, JobResult, Refusal, TEXT};
use crate::config::RateLimitForm;
use crate::faults::FaultKind;
use crate::jobs::{self, Description};
use crate::sim::Sim;

/// Answers one request, or 503 when the simulator stops meanwhile.
pub(super) async fn handle(
    State(sim): State<Arc<Sim>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request<Body>,
) -> Response {
    let arrival = Instant::now();
    let shutdown = sim.shutdown.clone();
    tokio::select! {
        () = shutdown.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        response = answer(sim, scissors, arrival, request) => response,
    }
}

async fn answer(sim: Arc<Sim>, scissors: Scissors, arrival: Instant, request: Request<Body>) -> Response {
    sim.counters().requests += 1;
    let params = match params::read(request).await {
        Ok(params) => params,
        Err(status) => return status.into_response(),
    };
    let description = Description::read(&params);
    *sim.counters().by_job.entry(description.name().to_owned()).or_default() += 1;
    let within = sim.windows().arrive(description.partner_user_id(), arrival);
    if !within {
        sim.counters().rate_violations += 1;
        return rate_limited(&sim, sim.config.rate_limit_form);
    }
    if let Some(response) = fault_before(&sim) {
        return response;
    }
    let is_export = description.is_export();
    let result = run(Arc::clone(&sim), params, description).await;
    fault_after(&sim, &scissors, is_export, result).await
}

/// Runs the job away from the event loop: a large export renders for seconds.
async fn run(sim: Arc<Sim>, params: Params, description: Description) -> JobResult {
    let job = tokio::task::spawn_blocking(move || jobs::run(&sim, &params, &description));
    job.await.unwrap_or_else(|failure| {
        tracing::error!(%failure, "a job panicked");
        Err(Refusal::new(500, "Internal error"))
    })
}

fn fault_before(sim: &Sim) -> Option<Response> {
    if sim.strikes(FaultKind::RateLimitedHttp) {
        return Some(rate_limited(sim, RateLimitForm::Http429));
    }
    if sim.strikes(FaultKind::RateLimitedBody) {
        return Some(rate_limited(sim, RateLimitForm::Http200));
    }
    if sim.strikes(FaultKind::Http502) {
        return Some(page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"));
    }
    if sim.strikes(FaultKind::Http503) {
        return Some(page(StatusCode::SERVICE_UNAVAILABLE, "503 Service Temporarily Unavailable"));
    }
    sim.strikes(FaultKind::HtmlPage).then(|| page(StatusCode::OK, "Expensify is undergoing maintenance"))
}

async fn fault_after(sim: &Sim, scissors: &Scissors, is_export: bool, mut result: JobResult) -> Response {
    if is_export && result.is_ok() {
        if sim.strikes(FaultKind::SlowExport) {
            let delay_ms = sim.fault_state().faults().slow_export_ms;
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        if let Ok(Answer { held: Some(held), .. }) = &result {
            tokio::time::sleep_until(held.until.into()).await;
            sim.exports().answered(held.export, Timestamp::now());
        }
        if sim.strikes(FaultKind::ErrorInsteadOfFileName) {
            result = Err(Refusal::new(500, "Internal error"));
        }
    }
    if sim.strikes(FaultKind::ResetAfterJob) {
        sim.counters().connections_cut += 1;
        scissors.cut();
    }
    match result {
        Ok(answer) => success(answer),
        Err(refusal) => refused(sim, &refusal),
    }
}

fn success(answer: Answer) -> Response {
    ([(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}

fn refused(sim: &Sim, refusal: &Refusal) -> Response {
    let mut counters = sim.counters();
    if refusal.message == jobs::AUTHENTICATION_ERROR || refusal.message == jobs::NO_AUTHENTICATION {
        counters.authentication_failures += 1;
    } else {
        counters.errors_sent += 1;
    }
    ([(header::CONTENT_TYPE, TEXT)], refusal.envelope()).into_response()
}

fn rate_limited(sim: &Sim, form: RateLimitForm) -> Response {
    sim.counters().rate_limited_sent += 1;
    let status = match form {
        RateLimitForm::Http429 => StatusCode::TOO_MANY_REQUESTS,
        RateLimitForm::Http200 => StatusCode::OK,
    };
    (status, [(header::CONTENT_TYPE, TEXT)], Refusal::rate_limited().envelope()).into_response()
}

fn page(status: StatusCode, title: &str) -> Response {
    let html = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n");
    (status, [(header::CONTENT_TYPE, "text/html;charset=utf-8")], html).into_response()
}
