//! What the routes for machines that watch answer.

use http::StatusCode;
use prometheus::TEXT_FORMAT;
use serde_json::json;

use crate::{
    contract::{Operation, Schemas, Tag, operation::media},
    problem::kind,
};

fn text(name: &'static str, summary: &'static str, described: &'static str, example: &str) -> Operation {
    let content = media("text/plain", json!({ "type": "string" }), example.into());
    Operation::new(Tag::Service, name, summary, described).answer(StatusCode::OK, summary, content)
}

pub(in crate::routes) fn index(_: &mut Schemas) -> Operation {
    text("showIndex", "The routes", "The routes in short, for people.", "Expensewire 0.1.0: webhooks for Expensify.\n")
}

pub(in crate::routes) fn livez(_: &mut Schemas) -> Operation {
    text("live", "The process answers", "Whether the process runs.", "ok\n")
}

pub(in crate::routes) fn readyz(_: &mut Schemas) -> Operation {
    let described = "Whether the store can be read and takes writes. The upstream has no say in it.";
    text("ready", "The service is ready", described, "ok\n").refused(&[&kind::STORE_CLOSED])
}

pub(in crate::routes) fn metrics(_: &mut Schemas) -> Operation {
    let described = "For Prometheus: the text format 0.0.4.";
    let content = media(TEXT_FORMAT, json!({ "type": "string" }), "expensewire_log_last_sequence 1042\n".into());
    Operation::new(Tag::Service, "metrics", "Metrics", described)
        .answer(StatusCode::OK, "The metrics.", content)
        .refused(&[&kind::INTERNAL])
}
