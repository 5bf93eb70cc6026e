//! What the routes of accounts take and answer.

use http::StatusCode;
use schemars::JsonSchema;
use serde_json::json;

use super::{AccountView, Accounts, MAX_SCOPE, Queued, ReleasedView};
use crate::{
    contract::{Operation, Schemas, Tag, examples, parameters},
    problem::kind,
};

/// What is read now: everything, unless a report is named.
#[derive(JsonSchema)]
#[schemars(rename = "RefreshRequest", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema")]
struct RefreshBody {
    /// The report's id, in either spelling.
    #[schemars(regex(pattern = "^(R[A-Za-z0-9]{1,23}|[0-9]{1,24})$"))]
    report: Option<String>,
}

/// The confirmation of a mass disappearance.
#[derive(JsonSchema)]
#[schemars(rename = "ReleaseRequest", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema")]
struct ReleaseBody {
    /// The scope, as the account shows it.
    #[schemars(length(min = 1, max = MAX_SCOPE))]
    scope: String,
    /// How many entities may be gone at the most.
    #[schemars(range(min = 1), extend("maximum" = u64::MAX))]
    ceiling: u64,
}

pub(in crate::routes) fn list(schemas: &mut Schemas) -> Operation {
    let described = "How each configured account is watched: budget, watches, freshness, what is withheld.";
    let example = json!({ "accounts": [examples::account()] });
    Operation::new(Tag::Accounts, "listAccounts", "List accounts", described).json(
        StatusCode::OK,
        "The accounts.",
        schemas.answer::<Accounts>(),
        example,
    )
}

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    Operation::new(Tag::Accounts, "showAccount", "Show an account", "How the account is watched.")
        .in_path(parameters::account())
        .json(StatusCode::OK, "The account.", schemas.answer::<AccountView>(), examples::account())
}

pub(in crate::routes) fn refresh(schemas: &mut Schemas) -> Operation {
    let described =
        "Everything that is watched, or one report, is read as soon as the budget allows. Answers when it is queued.";
    let example = json!({ "account": "acme", "queued": "report/R00AbCdEf123" });
    Operation::new(Tag::Accounts, "refreshAccount", "Read now", described)
        .in_path(parameters::account())
        .optional_body(schemas.body::<RefreshBody>(), json!({ "report": "R00AbCdEf123" }))
        .json(StatusCode::ACCEPTED, "The read is queued.", schemas.answer::<Queued>(), example)
        .refused(&[&kind::BUSY, &kind::STOPPING])
}

pub(in crate::routes) fn release(schemas: &mut Schemas) -> Operation {
    let described = "A person confirms a mass disappearance that is withheld: the entities are told as removed, at once or when a \
                     read by their ids has confirmed it.";
    let example = json!({ "account": "acme", "scope": "reports", "removed": 0, "confirming": 40 });
    Operation::new(Tag::Accounts, "releaseScope", "Release what is withheld", described)
        .in_path(parameters::account())
        .body(schemas.body::<ReleaseBody>(), json!({ "scope": "reports", "ceiling": 40 }))
        .json(StatusCode::OK, "What became of it.", schemas.answer::<ReleasedView>(), example)
        .refused(&[&kind::CONFLICT, &kind::BUSY, &kind::STOPPING])
}
