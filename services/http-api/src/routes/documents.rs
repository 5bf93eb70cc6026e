//! The contract itself, for programs that read it.

use axum::response::{IntoResponse, Response};
use http::header;

use crate::contract;

pub(super) mod operations;

/// `GET /openapi.json`
pub(super) async fn openapi() -> Response {
    json(contract::openapi())
}

/// `GET /asyncapi.json`
pub(super) async fn asyncapi() -> Response {
    json(contract::asyncapi())
}

fn json(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
