//! What the routes of subscriptions take and answer.

use std::collections::BTreeMap;

use event_model::{
    AccountName, EventType, TypeGlob,
    subscription::{Format, Ordering},
};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{CreatedView, SubscriptionView, Subscriptions, TestView};
use crate::{
    contract::{Operation, Schemas, Tag, examples, operation::media, parameters},
    input::values::{MAX_DESCRIPTION_CHARS, MAX_EVENTS, MAX_NAMES, MAX_RATE_PER_S, MAX_URL_BYTES},
    problem::kind,
    sample::MAX_OVERRIDES,
};

/// The body that makes a subscription.
#[derive(JsonSchema)]
#[schemars(rename = "SubscriptionCreation", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema, and a test holds the names together")]
pub(crate) struct CreationBody {
    /// Where deliveries go: https, or http where the service is configured to allow it; without credentials and fragment.
    #[schemars(length(max = MAX_URL_BYTES), regex(pattern = "^https?://[^#@]+$"), extend("format" = "uri"))]
    url: String,
    /// Patterns of event types with at most three `*`. `*` is all but snapshots, which come when a pattern ends in `.snapshot`.
    #[schemars(length(min = 1, max = MAX_EVENTS))]
    events: Vec<TypeGlob>,
    /// Only events of these accounts, which are configured; all when empty.
    #[schemars(length(max = MAX_NAMES))]
    accounts: Option<Vec<AccountName>>,
    /// Only events of these policies; all when empty.
    #[schemars(length(max = MAX_NAMES), inner(regex(pattern = "^[!-~]{1,128}$")))]
    policies: Option<Vec<String>>,
    /// Where it begins: `now` (which is the default), `beginning`, or the sequence behind which it begins.
    #[schemars(schema_with = "from")]
    from: (),
    /// The form of deliveries.
    format: Option<Format>,
    /// What waits for what: `entity` keeps the order of each entity, `strict` that of all, `none` that of nothing.
    ordering: Option<Ordering>,
    /// Most deliveries a second.
    #[schemars(range(min = 1, max = MAX_RATE_PER_S))]
    rate_per_s: Option<u32>,
    /// Headers of each delivery, at most 20 and 4096 bytes; values are sealed and never shown.
    headers: Option<BTreeMap<String, Option<String>>>,
    /// For people.
    #[schemars(length(max = MAX_DESCRIPTION_CHARS))]
    description: Option<String>,
    /// What signs: `whsec_` and 24 to 64 random bytes in base64. Drawn unless given.
    #[schemars(regex(pattern = "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"))]
    secret: Option<String>,
    /// Whether deliveries carry an ed25519 signature (`v1a`) too.
    ed25519: Option<bool>,
    /// Whether the endpoint is asked first if it wants the deliveries.
    challenge: Option<bool>,
}

/// The body that changes a subscription (RFC 7396): what is not named stays, `null` is the default again.
#[derive(JsonSchema)]
#[schemars(rename = "SubscriptionChange", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema, and a test holds the names together")]
pub(crate) struct ChangeBody {
    /// Where deliveries go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = MAX_URL_BYTES), regex(pattern = "^https?://[^#@]+$"), extend("format" = "uri"))]
    url: String,
    /// Patterns of event types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = MAX_EVENTS))]
    events: Vec<TypeGlob>,
    /// Only events of these accounts, which are configured; all when empty.
    #[schemars(length(max = MAX_NAMES))]
    accounts: Option<Vec<AccountName>>,
    /// Only events of these policies; all when empty.
    #[schemars(length(max = MAX_NAMES), inner(regex(pattern = "^[!-~]{1,128}$")))]
    policies: Option<Vec<String>>,
    /// What waits for what.
    ordering: Option<Ordering>,
    /// Most deliveries a second; `null` is no limit.
    #[schemars(range(min = 1, max = MAX_RATE_PER_S))]
    rate_per_s: Option<u32>,
    /// Headers to set, and by `null` to take away; `null` itself takes all away.
    headers: Option<BTreeMap<String, Option<String>>>,
    /// For people.
    #[schemars(length(max = MAX_DESCRIPTION_CHARS))]
    description: Option<String>,
    /// Whether deliveries carry an ed25519 signature (`v1a`) too.
    ed25519: Option<bool>,
    /// Whether a new URL is asked first if it wants the deliveries.
    challenge: Option<bool>,
    /// The key that it belongs to from now on; for administrators.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = "^key_[a-z0-9]{1,60}$"))]
    owner: String,
}

fn from(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "default": "now",
        "anyOf": [
            { "enum": ["now", "beginning", null] },
            { "type": "integer", "minimum": 0, "maximum": u64::MAX },
        ],
    })
}

fn one(schemas: &mut Schemas, described: Operation, status: StatusCode, what: &str) -> Operation {
    let schema = schemas.answer::<SubscriptionView>();
    described.in_path(parameters::subscription()).json(status, what, schema, examples::subscription())
}

pub(in crate::routes) fn list(schemas: &mut Schemas) -> Operation {
    let example = json!({ "subscriptions": [examples::subscription()], "next": examples::CURSOR });
    Operation::new(Tag::Subscriptions, "listSubscriptions", "List subscriptions", "Those of the key, oldest first.")
        .json(StatusCode::OK, "A page.", schemas.answer::<Subscriptions>(), example)
        .paged()
}

pub(in crate::routes) fn create(schemas: &mut Schemas) -> Operation {
    let described = "The answer is the only one that shows the signing secret. The URL is looked up and refused where it points \
                     inside; `from` below the horizon of retention is answered with 410.";
    let body: Value = json!({
        "url": "https://erp.example/hooks/expensify", "events": ["report.*", "policy.changed"], "accounts": ["acme"],
        "from": "now", "description": "ERP postings",
    });
    let schema = schemas.answer::<CreatedView<'_>>();
    Operation::new(Tag::Subscriptions, "createSubscription", "Make a subscription", described)
        .body(schemas.body::<CreationBody>(), body)
        .json(StatusCode::CREATED, "The subscription, and its secret.", schema, examples::created_subscription())
        .located(StatusCode::CREATED)
        .once()
        .refused(&[&kind::GONE])
}

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    let described = "How it is set up, how far it has come, and what is wrong with its receiver.";
    let operation = Operation::new(Tag::Subscriptions, "showSubscription", "Show a subscription", described);
    one(schemas, operation, StatusCode::OK, "The subscription.")
}

pub(in crate::routes) fn change(schemas: &mut Schemas) -> Operation {
    let described = "A merge patch (RFC 7396). `from`, `format` and `secret` are not changed so.";
    let operation = Operation::new(Tag::Subscriptions, "changeSubscription", "Change a subscription", described);
    let body = json!({ "events": ["report.approved"], "rate_per_s": null });
    one(schemas, operation, StatusCode::OK, "The subscription as it is now.").body(schemas.body::<ChangeBody>(), body)
}

pub(in crate::routes) fn delete(_: &mut Schemas) -> Operation {
    let described = "Nothing more is delivered; what waits for it goes too.";
    Operation::new(Tag::Subscriptions, "deleteSubscription", "Delete a subscription", described)
        .in_path(parameters::subscription())
        .answer(StatusCode::NO_CONTENT, "It is gone.", Value::Null)
}

pub(in crate::routes) fn pause(schemas: &mut Schemas) -> Operation {
    let described = "Nothing is delivered, and its cursor stands. One that is disabled stays so.";
    let operation = Operation::new(Tag::Subscriptions, "pauseSubscription", "Pause a subscription", described);
    one(schemas, operation, StatusCode::OK, "The subscription as it is now.")
}

pub(in crate::routes) fn resume(schemas: &mut Schemas) -> Operation {
    let described = "It goes on where it stood, also when it was disabled.";
    let operation = Operation::new(Tag::Subscriptions, "resumeSubscription", "Resume a subscription", described);
    one(schemas, operation, StatusCode::OK, "The subscription as it is now.")
}

/// Which sample is delivered.
#[derive(JsonSchema)]
#[schemars(rename = "TestWish", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema, and a test holds the names together")]
struct WishBody {
    /// Its type.
    #[schemars(rename = "type")]
    event_type: Option<EventType>,
    /// Values in the place of the sample's, by JSON pointer (RFC 6901); not of what is the service's own (`id`, `type`,
    /// `sequence`, `revision`, `test`).
    #[schemars(length(max = MAX_OVERRIDES))]
    overrides: Option<BTreeMap<String, Value>>,
}

pub(in crate::routes) fn test(schemas: &mut Schemas) -> Operation {
    let described = "A sample event, marked as a test, goes to the subscriber like a real one. Without a type it is one that the \
                     subscription asks for. With overrides it must still fit the schema of its type.";
    let example = json!({ "id": "evt_test0198c2f4", "type": "report.approved", "wanted": true });
    let content = media("application/json", schemas.answer::<TestView<'_>>(), example);
    let wish = json!({ "type": "report.approved", "overrides": { "/data/object/total": 4711 } });
    Operation::new(Tag::Subscriptions, "testSubscription", "Deliver a test", described)
        .in_path(parameters::subscription())
        .optional_body(schemas.body::<WishBody>(), wish)
        .answer(StatusCode::ACCEPTED, "The test is in line.", content)
        .once()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::schemas_of,
        input::{ON_CHANGE, ON_CREATION},
        sample,
    };

    #[test]
    fn the_bodies_have_the_fields_that_are_read() {
        assert_eq!(schemas_of::<CreationBody>(), schemas_of_names(ON_CREATION, &[]));
        assert_eq!(schemas_of::<ChangeBody>(), schemas_of_names(ON_CHANGE, &["owner"]));
        assert_eq!(schemas_of::<WishBody>(), schemas_of_names(sample::FIELDS, &[]));
    }

    fn schemas_of_names(known: &[&str], beside: &[&str]) -> std::collections::BTreeSet<String> {
        known.iter().chain(beside).map(|name| (*name).to_owned()).collect()
    }
}
