//! The pages: each asks the API, and shows what it answers.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{StatusCode, Uri};
use url::form_urlencoded;

use crate::{
    failure::{Failure, Problem},
    state::Console,
};

mod accounts;
mod catalogue;
mod deliveries;
mod docs;
mod entity;
mod event;
mod events;
mod key;
mod key_form;
mod live;
mod overview;
mod quarantine;
mod replays;
mod sign_in;
mod subscription;
mod subscription_form;
mod subscriptions;
mod system;

type Answer = Result<Response, Failure>;

/// Every page and every form.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/console", get(async || Redirect::to("/")))
        .route("/console/", get(async || Redirect::to("/")))
        .route("/console/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/console/sign-out", post(sign_in::leave))
        .route("/console/events", get(events::show))
        .route("/console/events/stream", get(live::open))
        .route("/console/events/{sequence}", get(event::show))
        .route("/console/events/{sequence}/resend", post(event::resend))
        .route("/console/entity", get(entity::show))
        .route("/console/subscriptions", get(subscriptions::show).post(subscription_form::create))
        .route("/console/subscriptions/new", get(subscription_form::show))
        .route("/console/subscriptions/{id}", get(subscription::show))
        .route(
            "/console/subscriptions/{id}/edit",
            get(subscription_form::edit::show).post(subscription_form::edit::save),
        )
        .route("/console/subscriptions/{id}/test", post(subscription::test))
        .route("/console/subscriptions/{id}/pause", post(subscription::pause))
        .route("/console/subscriptions/{id}/resume", post(subscription::resume))
        .route("/console/subscriptions/{id}/rotate", post(subscription::rotate))
        .route("/console/subscriptions/{id}/delete", post(subscription::delete))
        .route("/console/subscriptions/{id}/retry", post(deliveries::retry_all))
        .route("/console/subscriptions/{id}/replays/{replay}", get(replays::progress))
        .route("/console/subscriptions/{id}/replays/{replay}/cancel", post(replays::cancel))
        .route("/console/deliveries", get(deliveries::list))
        .route("/console/deliveries/{id}", get(deliveries::show))
        .route("/console/deliveries/{id}/retry", post(deliveries::retry))
        .route("/console/replay", get(replays::show).post(replays::start))
        .route("/console/replay/count", post(replays::count))
        .route("/console/catalogue", get(catalogue::list))
        .route("/console/catalogue/{type}", get(catalogue::show))
        .route("/console/quarantine", get(quarantine::show))
        .route("/console/accounts/{name}", get(accounts::show))
        .route("/console/accounts/{name}/refresh", post(accounts::refresh))
        .route("/console/accounts/{name}/release", post(quarantine::release))
        .route("/console/system", get(system::show))
        .route("/console/keys", get(async || Redirect::to("/console/system")).post(key_form::create))
        .route("/console/keys/new", get(key_form::show))
        .route("/console/keys/{id}", get(key::show))
        .route("/console/keys/{id}/delete", post(key::delete))
        .route("/console/docs", get(docs::list))
        .route("/console/docs/{page}", get(docs::show))
        .route("/console/{*rest}", get(async || Failure::NoPage))
}

/// A page, made of `template`.
fn page(template: &impl Template) -> Answer {
    with_status(StatusCode::OK, template)
}

fn with_status(status: StatusCode, template: &impl Template) -> Answer {
    Ok((status, Html(template.render()?)).into_response())
}

/// On to `address`, which is shown by GET.
fn onward(address: &str) -> Answer {
    Ok(Redirect::to(address).into_response())
}

/// What the query of an address says.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn of(uri: &Uri) -> Self {
        Self(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The parameter `name` without the space around it; empty if it is not there.
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }
}

/// What a key may see, or that it may not: a part of a page that the key does not allow is left out, and said so.
fn allowed<T>(asked: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Problem(problem)) if problem.is_forbidden() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A refusal that whoever sent a form can mend, to be shown beside it.
fn mendable<T>(asked: Result<T, Failure>) -> Result<Result<T, Box<Problem>>, Failure> {
    match asked {
        Ok(found) => Ok(Ok(found)),
        Err(Failure::Problem(problem)) if problem.is_mendable() => Ok(Err(problem)),
        Err(failure) => Err(failure),
    }
}
