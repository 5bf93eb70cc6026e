//! Examples of what is answered. Tests hold each to its schema.

use event_model::{Event, EventType, catalogue, status::AccountStatus};
use serde_json::{Value, json};

use crate::{problem::kind::Kind, view::AccountView};

pub(crate) const SUBSCRIPTION: &str = "sub_0198c2f45a5b7cde9f00112233445566";
pub(crate) const REPLAY: &str = "rpl_0198c2f51d007abc8f00112233445566";
pub(crate) const KEY: &str = "key_0198c2f0aa007abc8f00112233445566";
/// The subscription's id, as a cursor.
pub(crate) const CURSOR: &str = "c3ViXzAxOThjMmY0NWE1YjdjZGU5ZjAwMTEyMjMzNDQ1NTY2";
/// That of the verifiers' own test vector.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const AT: &str = "2026-04-02T09:14:21Z";
const EVENT: &str = "evt_6xbov5pjraxgcsiektuhji63mu";

/// An event of the log.
pub(crate) fn event() -> Event {
    catalogue::example(EventType::ReportApproved)
}

/// The problem of this kind, under its name.
pub(super) fn problem(kind: &Kind) -> (String, Value) {
    let mut problem = json!({
        "type": kind.kind, "title": kind.title, "status": kind.status.as_u16(), "detail": kind.when,
        "request_id": "0198c2f45a5b7cde9f00112233445566",
    });
    match kind.kind {
        "/problems/validation" => {
            problem["errors"] = json!([{ "pointer": "/urll", "detail": "is not a field here; did you mean \"url\"?" }]);
        }
        "/problems/parameters" => {
            let detail = "\"0\" is not a number from 1 to 1000";
            problem["errors"] = json!([{ "parameter": "limit", "detail": detail }]);
        }
        "/problems/gone" => problem["earliest"] = 1041.into(),
        "/problems/forbidden" => problem["missing"] = "subscriptions:write".into(),
        _ => {}
    }
    let name = kind.kind.trim_start_matches("/problems/").to_owned();
    (name, json!({ "summary": kind.title, "value": problem }))
}

pub(crate) fn subscription() -> Value {
    json!({
        "id": SUBSCRIPTION, "url": "https://erp.example/hooks/expensify", "events": ["report.*", "policy.changed"],
        "accounts": ["acme"], "policies": [], "format": "standard", "ordering": "entity", "rate_per_s": 50,
        "headers": { "x-tenant": "[hidden]" }, "description": "ERP postings", "ed25519": false, "challenge": false,
        "overlap_until": null, "status": { "state": "active" }, "owner": KEY, "cursor": 1042, "lag_events": 0,
        "pending": 0, "dead_letters": 1, "delivered": 311, "last_success_at": AT, "last_failure": attempt(),
        "trouble": null, "created_at": "2026-04-01T08:00:00Z", "updated_at": "2026-04-01T08:00:00Z",
    })
}

pub(crate) fn created_subscription() -> Value {
    let mut created = subscription();
    created["secret"] = SECRET.into();
    created
}

fn attempt() -> Value {
    json!({ "at": AT, "duration_ms": 140, "outcome": { "kind": "status", "status": 503 } })
}

pub(crate) fn delivery() -> Value {
    json!({
        "id": format!("{SUBSCRIPTION}.1042"), "subscription": SUBSCRIPTION, "state": "due",
        "event": {
            "id": EVENT, "type": "report.approved", "sequence": 1042, "subject": "report/R00AbCdEf123", "account": "acme",
        },
        "attempts": 1, "history": [attempt()], "since": AT, "next_attempt_at": "2026-04-02T09:14:26Z", "ended_at": null,
    })
}

pub(crate) fn replay() -> Value {
    json!({
        "id": REPLAY, "subscription": SUBSCRIPTION, "state": "running", "after": 0, "up_to": 1042, "count": 311,
        "rate_per_s": 20, "cursor": 240, "delivered": 71, "failed": 0, "pending": 0, "last_failure": null, "trouble": null,
        "created_at": AT, "ended_at": null,
    })
}

pub(crate) fn key() -> Value {
    json!({
        "id": KEY, "description": "ERP", "accounts": ["acme"], "policies": ["*"], "events": ["report.*"],
        "actions": ["events:read", "subscriptions:write"], "origin": "made", "made_by": "key_0198c2f0000", "rate_per_s": null,
        "created_at": "2026-04-01T07:59:00Z", "expires_at": null, "expired": false,
    })
}

pub(crate) fn account() -> Value {
    let (name, at) = ("acme".parse().expect("a name"), AT.parse().expect("a time"));
    json!(AccountView::of(AccountStatus::example(name, at), at))
}

pub(crate) fn entity() -> Value {
    let event = event();
    json!({
        "account": "acme", "kind": "report", "id": "R00AbCdEf123", "subject": "report/R00AbCdEf123",
        "revision": event.revision, "removed": false, "sequence": event.sequence, "object": event.data.object,
        "events": "/v1/events?account=acme&subject=report%2FR00AbCdEf123",
    })
}
