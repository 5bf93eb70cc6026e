//! The headers of answers.

use serde_json::{Map, Value, json};

/// Each header's name, what it says, the schema of its value, and an example.
fn described() -> [(&'static str, &'static str, Value, Value); 9] {
    let text = || json!({ "type": "string" });
    let seconds = || json!({ "type": "integer", "minimum": 0 });
    [
        (
            "X-Request-Id",
            "The request's id: the caller's own, or a new one. The log has it too.",
            text(),
            json!("0198c2f4"),
        ),
        (
            "RateLimit-Policy",
            "The quota of the key and its window in seconds (draft-ietf-httpapi-ratelimit-headers-10).",
            json!({ "type": "string", "pattern": r#"^"(key|address)";q=\d+;w=\d+$"# }),
            json!(r#""key";q=200;w=4"#),
        ),
        (
            "RateLimit",
            "What is left of the quota, and in how many seconds it is whole again.",
            json!({ "type": "string", "pattern": r#"^"(key|address)";r=\d+;t=\d+$"# }),
            json!(r#""key";r=150;t=1"#),
        ),
        ("Retry-After", "Seconds after which to ask again.", seconds(), json!(5)),
        (
            "Link",
            "The address of the next page (RFC 8288); not there on the last.",
            json!({ "type": "string", "pattern": r#"^<.+>; rel="next"$"# }),
            json!(r#"</v1/events?after=100>; rel="next""#),
        ),
        ("Location", "Where what was made is.", text(), json!("/v1/subscriptions/sub_0198c2f4")),
        ("WWW-Authenticate", "How to authenticate (RFC 6750).", text(), json!(r#"Bearer realm="expensewire""#)),
        (
            "Cache-Control",
            "`no-store` where the answer may hold a secret, `no-cache` of a stream.",
            json!({ "type": "string", "enum": ["no-store", "no-cache"] }),
            json!("no-store"),
        ),
        ("X-Accel-Buffering", "`no`: nginx is to pass a stream on as it comes.", json!({ "const": "no" }), json!("no")),
    ]
}

/// The headers, as components.
pub(super) fn all() -> Map<String, Value> {
    let component = |(name, description, schema, example): (&str, &str, Value, Value)| {
        (name.to_owned(), json!({ "description": description, "schema": schema, "example": example }))
    };
    described().into_iter().map(component).collect()
}

/// References to the headers `names`.
pub(super) fn references(names: &[&str]) -> Value {
    let reference = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    Value::Object(names.iter().map(reference).collect())
}
