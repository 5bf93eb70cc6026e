//! What the route of entities takes and answers.

use event_model::EntityKind;
use http::StatusCode;
use serde_json::json;

use crate::{
    contract::{Operation, Schemas, Tag, examples, parameters},
    view::EntityView,
};

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    let described = "The entity as its last event shows it; a removed one as it was last known.";
    let kinds = json!({ "type": "string", "enum": EntityKind::ALL.map(EntityKind::as_str) });
    let account = "The account; needed unless there is exactly one.";
    Operation::new(Tag::Entities, "showEntity", "Show an entity", described)
        .in_path(parameters::path("kind", "The kind of entity.", kinds, "report"))
        .in_path(parameters::path(
            "id",
            "The upstream's id.",
            json!({ "type": "string", "minLength": 1 }),
            "R00AbCdEf123",
        ))
        .with(parameters::query("account", account, parameters::account_name(), "acme"))
        .json(StatusCode::OK, "The entity.", schemas.answer::<EntityView<'_>>(), examples::entity())
}
