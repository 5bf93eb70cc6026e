//! What the routes of keys take and answer.

use event_model::{AccountName, Action, Allowed, TypeGlob};
use http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{CreatedView, KeyView, Keys, body::MAX_EXPIRES_IN_S};
use crate::{
    config::MAX_SCOPE,
    contract::{Operation, Schemas, Tag, examples, parameters},
    input::values::MAX_DESCRIPTION_CHARS,
    limits::MAX_RATE_PER_S,
    problem::kind,
};

/// What a key is to allow. What is not named is not allowed; `["*"]` is all. Accounts, policies and events go together.
#[derive(JsonSchema)]
#[schemars(rename = "KeyCreation", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema, and a test holds the names together")]
struct CreationBody {
    /// For people.
    #[schemars(length(max = MAX_DESCRIPTION_CHARS))]
    description: Option<String>,
    /// The accounts that it may see.
    #[schemars(length(max = MAX_SCOPE))]
    accounts: Option<Allowed<AccountName>>,
    /// The policies that it may see, by their ids.
    #[schemars(length(max = MAX_SCOPE), inner(regex(pattern = "^[!-~]{1,128}$")))]
    policies: Option<Allowed<String>>,
    /// The event types that it may see, as patterns.
    #[schemars(length(max = MAX_SCOPE))]
    events: Option<Vec<TypeGlob>>,
    /// What may be done with it.
    #[schemars(length(max = MAX_SCOPE))]
    actions: Option<Allowed<Action>>,
    /// When it expires: a time to come. Never, unless given.
    expires_at: Option<Timestamp>,
    /// The same in seconds from now.
    #[schemars(range(min = 1, max = MAX_EXPIRES_IN_S))]
    expires_in_s: Option<i64>,
    /// Requests a second, where it is not the common limit.
    #[schemars(range(min = 1, max = MAX_RATE_PER_S))]
    rate_per_s: Option<u32>,
}

pub(in crate::routes) fn list(schemas: &mut Schemas) -> Operation {
    let described = "The key itself and those that it made, oldest first; an administrator sees all.";
    let example = json!({ "keys": [examples::key()], "next": null });
    Operation::new(Tag::Keys, "listKeys", "List keys", described)
        .json(StatusCode::OK, "A page.", schemas.answer::<Keys>(), example)
        .paged()
}

pub(in crate::routes) fn create(schemas: &mut Schemas) -> Operation {
    let described =
        "The answer is the only one that shows the key. It allows nothing that the key which makes it does not.";
    let mut created = examples::key();
    created["key"] = "ew_k7Jx0mVnq3T1b8sYwZ5rC2dE9fGhLpNaQuRtSvXyA4o".into();
    let body = json!({
        "description": "ERP", "accounts": ["acme"], "policies": ["*"], "events": ["report.*"],
        "actions": ["events:read", "subscriptions:write"], "expires_in_s": 2_592_000,
    });
    Operation::new(Tag::Keys, "createKey", "Make a key", described)
        .body(schemas.body::<CreationBody>(), body)
        .json(StatusCode::CREATED, "The key.", schemas.answer::<CreatedView<'_>>(), created)
        .located(StatusCode::CREATED)
        .once()
}

pub(in crate::routes) fn show_own(schemas: &mut Schemas) -> Operation {
    let described = "What the key of the request allows, so that a program knows what it may do. Any key may ask.";
    Operation::new(Tag::Keys, "showOwnKey", "Show the key that asks", described).json(
        StatusCode::OK,
        "The key.",
        schemas.answer::<KeyView>(),
        examples::key(),
    )
}

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    Operation::new(Tag::Keys, "showKey", "Show a key", "What it allows; never the key itself.")
        .in_path(parameters::key())
        .json(StatusCode::OK, "The key.", schemas.answer::<KeyView>(), examples::key())
}

pub(in crate::routes) fn delete(_: &mut Schemas) -> Operation {
    let described = "It opens nothing from then on, and streams that it opened end. The last key that allows everything cannot be \
                     deleted, nor one of the configuration.";
    let left = json!({ "type": "string", "enum": ["delete", "keep"] });
    let subscriptions =
        "What becomes of its subscriptions: they go too, or are the caller's from then on. Needed where it has some.";
    Operation::new(Tag::Keys, "deleteKey", "Delete a key", described)
        .in_path(parameters::key())
        .with(parameters::query("subscriptions", subscriptions, left, "keep"))
        .answer(StatusCode::NO_CONTENT, "It is gone.", Value::Null)
        .refused(&[&kind::CONFLICT])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::schemas_of, routes::keys::body::KNOWN};

    #[test]
    fn the_body_has_the_fields_that_are_read() {
        let mut known = KNOWN.to_vec();
        known.sort_unstable();
        assert!(schemas_of::<CreationBody>().iter().eq(known));
    }
}
