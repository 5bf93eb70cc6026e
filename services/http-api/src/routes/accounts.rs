//! How each account stands.

use std::sync::Arc;

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Serialize;

use super::InPath;
use crate::{params::cut, problem::Refusal, state::Api, view::AccountView};

#[derive(Serialize)]
pub(super) struct Accounts {
    accounts: Vec<AccountView>,
}

/// `GET /v1/accounts`
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<Accounts> {
    Json(Accounts { accounts: views(&api) })
}

/// `GET /v1/accounts/{name}`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    InPath(name): InPath<String>,
) -> Result<Json<AccountView>, Refusal> {
    let found = views(&api).into_iter().find(|account| account.name.as_str() == name);
    found.map(Json).ok_or_else(|| Refusal::NotFound { what: "account", id: cut(&name) })
}

fn views(api: &Api) -> Vec<AccountView> {
    let now = Timestamp::now();
    let accounts = api.deps.accounts.borrow().clone();
    accounts.into_iter().map(|status| AccountView::of(status, now)).collect()
}
