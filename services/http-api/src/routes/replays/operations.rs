//! What the routes of replays take and answer.

use event_model::{AccountName, Subject};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::{DryRun, ReplayView, Replays};
use crate::{
    contract::{Operation, Schemas, Tag, examples, operation::media, parameters},
    input::values::MAX_RATE_PER_S,
    problem::kind,
};

/// Which events are sent once more: `from`, `subject` or `failed` says so.
#[derive(JsonSchema)]
#[schemars(rename = "ReplayRequest", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema, and a test holds the names together")]
struct ReplayBody {
    /// `beginning`, the sequence behind which it begins, or a time.
    #[schemars(schema_with = "from")]
    from: (),
    /// The sequence of the last event; where what was sent ends, unless given.
    #[schemars(extend("maximum" = u64::MAX))]
    to: Option<u64>,
    /// Only events about this entity.
    subject: Option<Subject>,
    /// Of this account; needed where several have the entity.
    account: Option<AccountName>,
    /// Only what was given up.
    failed: Option<bool>,
    /// Most deliveries a second.
    #[schemars(range(min = 1, max = MAX_RATE_PER_S))]
    rate_per_s: Option<u32>,
    /// Only tell what would be sent.
    dry_run: Option<bool>,
}

fn from(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "enum": ["beginning", null] },
            { "type": "integer", "minimum": 0, "maximum": u64::MAX },
            { "type": "string", "format": "date-time" },
        ],
    })
}

pub(in crate::routes) fn create(schemas: &mut Schemas) -> Operation {
    let described = "Events that the subscription was sent already, once more, in a lane of their own: same ids, fresh timestamps. \
                     One replay goes on at a time. With `dry_run` nothing is sent. A position below the horizon of retention is \
                     answered with 410.";
    let counted = json!({
        "dry_run": true, "after": 0, "up_to": 1042, "count": 311,
        "first": { "sequence": 3, "observed_at": "2026-04-01T08:00:10Z" },
        "last": { "sequence": 1042, "observed_at": "2026-04-02T09:14:21Z" },
    });
    Operation::new(Tag::Replays, "createReplay", "Replay events", described)
        .in_path(parameters::subscription())
        .body(schemas.body::<ReplayBody>(), json!({ "from": "beginning", "rate_per_s": 20 }))
        .json(StatusCode::ACCEPTED, "The replay has begun.", schemas.answer::<ReplayView>(), examples::replay())
        .located(StatusCode::ACCEPTED)
        .once()
        .answer(
            StatusCode::OK,
            "What would be sent.",
            media("application/json", schemas.answer::<DryRun<'_>>(), counted),
        )
        .refused(&[&kind::GONE, &kind::BUSY])
}

pub(in crate::routes) fn list(schemas: &mut Schemas) -> Operation {
    let example = json!({ "replays": [examples::replay()] });
    Operation::new(
        Tag::Replays,
        "listReplays",
        "List replays",
        "Those of the subscription, oldest first; there are few.",
    )
    .in_path(parameters::subscription())
    .json(StatusCode::OK, "The replays.", schemas.answer::<Replays>(), example)
}

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    Operation::new(Tag::Replays, "showReplay", "Show a replay", "How far it has come.")
        .in_path(parameters::subscription())
        .in_path(parameters::replay())
        .json(StatusCode::OK, "The replay.", schemas.answer::<ReplayView>(), examples::replay())
}

pub(in crate::routes) fn cancel(schemas: &mut Schemas) -> Operation {
    let described = "What is in flight is let finish, the rest is not sent.";
    Operation::new(Tag::Replays, "cancelReplay", "Cancel a replay", described)
        .in_path(parameters::subscription())
        .in_path(parameters::replay())
        .json(StatusCode::OK, "The replay as it is now.", schemas.answer::<ReplayView>(), examples::replay())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::schemas_of, routes::replays::FIELDS};

    #[test]
    fn the_body_has_the_fields_that_are_read() {
        let mut known = FIELDS.to_vec();
        known.sort_unstable();
        assert!(schemas_of::<ReplayBody>().iter().eq(known));
    }
}
