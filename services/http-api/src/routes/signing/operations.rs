//! What the routes of signing take and answer.

use http::StatusCode;
use schemars::JsonSchema;
use serde_json::json;

use super::{DEFAULT_OVERLAP_S, MAX_OVERLAP_S, PublicKeys, RotatedView};
use crate::contract::{Operation, Schemas, Tag, examples, parameters};

/// The signature scheme.
#[derive(JsonSchema)]
#[schemars(rename = "SignatureScheme", rename_all = "lowercase")]
#[expect(dead_code, reason = "a body is read field by field; this is its schema")]
enum SchemeWord {
    /// HMAC-SHA256 with a secret.
    V1,
    /// ed25519.
    V1a,
}

/// What takes the place of what signs now; all of it may be left out.
#[derive(JsonSchema)]
#[schemars(rename = "SecretRotation", deny_unknown_fields)]
#[expect(dead_code, reason = "a body is read field by field; this is its schema, and a test holds the names together")]
struct RotationBody {
    /// The new secret: `whsec_` and 24 to 64 random bytes in base64. Drawn unless given.
    #[schemars(regex(pattern = "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"))]
    secret: Option<String>,
    /// For how many seconds what is replaced goes on signing beside it: a day unless given, seven at most.
    #[schemars(range(min = 0, max = MAX_OVERLAP_S), extend("default" = DEFAULT_OVERLAP_S))]
    overlap_s: Option<i64>,
    /// What is replaced; `v1` unless given.
    scheme: Option<SchemeWord>,
}

pub(in crate::routes) fn rotate(schemas: &mut Schemas) -> Operation {
    let described = "Another secret (or, by `\"scheme\": \"v1a\"`, another ed25519 key) signs from now on; what it replaces goes \
                     on beside it for the overlap. The answer is the only one that shows the new secret.";
    let example = json!({
        "id": examples::SUBSCRIPTION, "scheme": "v1", "secret": examples::SECRET, "overlap_until": "2026-04-03T09:14:21Z",
    });
    Operation::new(Tag::Subscriptions, "rotateSecret", "Rotate the signing secret", described)
        .in_path(parameters::subscription())
        .optional_body(schemas.body::<RotationBody>(), json!({ "overlap_s": 86400 }))
        .json(StatusCode::OK, "What signs now.", schemas.answer::<RotatedView<'_>>(), example)
        .once()
}

pub(in crate::routes) fn public_keys(schemas: &mut Schemas) -> Operation {
    let described = "By which receivers verify the signatures `v1a`, newest first; none where `ed25519` is off.";
    let key = "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    let example = json!({ "keys": [{ "algorithm": "ed25519", "key": key, "until": null }] });
    Operation::new(Tag::Subscriptions, "listPublicKeys", "List the public keys", described)
        .in_path(parameters::subscription())
        .json(StatusCode::OK, "The public keys.", schemas.answer::<PublicKeys>(), example)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::schemas_of;

    #[test]
    fn the_body_has_the_fields_that_are_read() {
        assert!(schemas_of::<RotationBody>().iter().eq(["overlap_s", "scheme", "secret"]));
    }
}
