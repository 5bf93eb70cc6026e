//! What a route is called, takes and answers.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{examples, headers::references, parameters, security};
use crate::{
    auth::Needs,
    problem::kind::{self, Kind},
};

/// The parts of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Subscriptions,
    Deliveries,
    Replays,
    Events,
    Entities,
    Accounts,
    EventTypes,
    Keys,
    Log,
    Service,
}

impl Tag {
    pub const ALL: [Self; 10] = [
        Self::Subscriptions,
        Self::Deliveries,
        Self::Replays,
        Self::Events,
        Self::Entities,
        Self::Accounts,
        Self::EventTypes,
        Self::Keys,
        Self::Log,
        Self::Service,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscriptions => "Subscriptions",
            Self::Deliveries => "Deliveries",
            Self::Replays => "Replays",
            Self::Events => "Events",
            Self::Entities => "Entities",
            Self::Accounts => "Accounts",
            Self::EventTypes => "Event types",
            Self::Keys => "Keys",
            Self::Log => "Log",
            Self::Service => "Service",
        }
    }

    pub const fn description(self) -> &'static str {
        match self {
            Self::Subscriptions => "Who receives which events where, and what the deliveries are signed with.",
            Self::Deliveries => "What was not delivered at once: each attempt, what comes next, dead letters.",
            Self::Replays => "Events that a subscription was sent already, once more.",
            Self::Events => "The log, read by cursor or followed.",
            Self::Entities => "Reports, expenses, policies and cards as the log knows them now.",
            Self::Accounts => "How each account is watched: budget, freshness, what is withheld.",
            Self::EventTypes => "What each event type tells: its JSON Schema and an example.",
            Self::Keys => "API keys: what their holders may see and do.",
            Self::Log => "The log as a whole: proving it, exporting it. For administrators.",
            Self::Service => "For machines that watch the service.",
        }
    }
}

/// What a route is called, takes and answers. What every route under `/v1` has is added at the end.
pub(crate) struct Operation {
    tag: Tag,
    name: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    kinds: Vec<&'static Kind>,
}

impl Operation {
    /// `name` is that of a function in a generated client.
    pub fn new(tag: Tag, name: &'static str, summary: &'static str, description: &'static str) -> Self {
        let (parameters, answers, kinds) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { tag, name, summary, description, parameters, body: None, answers, kinds }
    }

    /// Takes a parameter of the query or a header.
    pub fn with(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self.refused(&[&kind::PARAMETERS])
    }

    /// Takes a part of the path, of which there may be none such.
    pub fn in_path(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self.refused(&[&kind::PARAMETERS, &kind::NOT_FOUND, &kind::NO_ROUTE])
    }

    /// Answers page by page.
    pub fn paged(self) -> Self {
        let mut paged = self.with(parameters::limit()).with(parameters::cursor());
        paged.add_header(StatusCode::OK, "Link");
        paged
    }

    /// Takes an `Idempotency-Key`, and answers what no cache may keep.
    pub fn once(mut self) -> Self {
        let made: Vec<_> =
            self.answers.keys().copied().filter_map(|status| StatusCode::from_u16(status).ok()).collect();
        made.into_iter().for_each(|status| self.add_header(status, "Cache-Control"));
        self.with(parameters::idempotency_key()).refused(&[&kind::KEY_REUSED, &kind::CONFLICT])
    }

    /// Takes a JSON object.
    pub fn body(mut self, schema: Value, example: Value) -> Self {
        self.set_body(true, schema, example);
        self.refused(&[&kind::JSON, &kind::BODY_BROKEN, &kind::MEDIA_TYPE, &kind::BODY_TOO_LARGE, &kind::VALIDATION])
    }

    /// The same, and nothing is an empty object.
    pub fn optional_body(self, schema: Value, example: Value) -> Self {
        let mut taking = self.body(schema.clone(), example.clone());
        taking.set_body(false, schema, example);
        taking
    }

    fn set_body(&mut self, required: bool, schema: Value, example: Value) {
        self.body = Some(json!({ "required": required, "content": media("application/json", schema, example) }));
    }

    /// Answers JSON.
    pub fn json(self, status: StatusCode, description: &str, schema: Value, example: Value) -> Self {
        self.answer(status, description, media("application/json", schema, example))
    }

    /// Answers `content`; `null` is none.
    pub fn answer(mut self, status: StatusCode, description: &str, content: Value) -> Self {
        let mut answer = json!({ "description": description, "headers": references(&["X-Request-Id"]) });
        if !content.is_null() {
            answer["content"] = content;
        }
        self.answers.insert(status.as_u16(), answer);
        self
    }

    /// The answer says where what was made is.
    pub fn located(mut self, status: StatusCode) -> Self {
        self.add_header(status, "Location");
        self
    }

    /// The answer has this header.
    pub fn headed(mut self, status: StatusCode, header: &str) -> Self {
        self.add_header(status, header);
        self
    }

    fn add_header(&mut self, status: StatusCode, header: &str) {
        if let Some(answer) = self.answers.get_mut(&status.as_u16()) {
            answer["headers"][header] = references(&[header])[header].clone();
        }
    }

    /// May be refused so, beside what every route may.
    pub fn refused(mut self, kinds: &[&'static Kind]) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// The operation object; answers that refuse are shared and put into `refusals`.
    pub(super) fn finished(mut self, path: &str, needs: Option<Needs>, refusals: &mut Map<String, Value>) -> Value {
        if let Some(needs) = needs {
            self.kinds.extend([
                &kind::UNAUTHORIZED,
                &kind::LIMITED,
                &kind::INTERNAL,
                &kind::STORE_CLOSED,
                &kind::TIMEOUT,
            ]);
            self.kinds.extend(needs.action().map(|_| &kind::FORBIDDEN));
            for answer in self.answers.values_mut() {
                merge(&mut answer["headers"], references(&["RateLimit", "RateLimit-Policy"]));
            }
        }
        let mut answers: BTreeMap<u16, Value> = self.answers;
        for status in self.kinds.iter().map(|kind| kind.status.as_u16()) {
            let kinds: Vec<_> = kind::ALL.iter().copied().filter(|one| self.kinds.contains(one)).collect();
            let kinds: Vec<_> = kinds.into_iter().filter(|kind| kind.status.as_u16() == status).collect();
            answers.insert(status, refusal(&kinds, needs.is_some(), refusals));
        }
        let answers: Map<_, _> = answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        debug_assert_eq!(path.matches('{').count(), self.parameters.iter().filter(|one| one["in"] == "path").count());
        let mut operation = json!({
            "operationId": self.name, "tags": [self.tag.name()], "summary": self.summary,
            "description": self.description, "security": security(needs), "responses": answers,
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        operation
    }
}

/// A reference to the answer that refuses by one of `kinds`, which are of one status.
fn refusal(kinds: &[&Kind], keyed: bool, refusals: &mut Map<String, Value>) -> Value {
    let name: Vec<_> = kinds.iter().map(|kind| kind.kind.trim_start_matches("/problems/")).collect();
    let name = format!("{}{}", name.join("."), if keyed { "" } else { ".open" });
    refusals.entry(name.clone()).or_insert_with(|| {
        let status = kinds.first().map_or(0, |kind| kind.status.as_u16());
        let told: Vec<_> = kinds.iter().map(|kind| format!("`{}`: {}", kind.kind, kind.when)).collect();
        let mut headers = vec!["X-Request-Id"];
        match status {
            401 => headers.push("WWW-Authenticate"),
            429 => headers.extend(["RateLimit", "RateLimit-Policy", "Retry-After"]),
            503 => headers.extend(["RateLimit", "RateLimit-Policy", "Retry-After"]),
            _ if keyed => headers.extend(["RateLimit", "RateLimit-Policy"]),
            _ => {}
        }
        let types: Vec<_> = kinds.iter().map(|kind| kind.kind).collect();
        let narrowed = json!({ "properties": { "type": { "enum": types }, "status": { "const": status } } });
        let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Problem" }, narrowed] });
        let examples: Map<_, _> = kinds.iter().map(|kind| examples::problem(kind)).collect();
        json!({
            "description": told.join("\n\n"),
            "headers": references(&headers),
            "content": { "application/problem+json": { "schema": schema, "examples": examples } },
        })
    });
    json!({ "$ref": format!("#/components/responses/{name}") })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// Content of one media type.
pub(crate) fn media(media_type: &str, schema: Value, example: Value) -> Value {
    json!({ media_type: { "schema": schema, "example": example } })
}
