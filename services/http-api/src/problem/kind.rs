//! The kinds of problem: what a program may tell apart. Their types are stable.

use http::StatusCode;

/// A kind of problem (RFC 9457): its status, its stable `type`, its title, and when it is met.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub status: StatusCode,
    /// The member `type`.
    pub kind: &'static str,
    pub title: &'static str,
    /// When it is met, for the description of the API.
    pub when: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:ident $kind:literal, $title:literal, $when:literal;)*) => {
        $(pub(crate) static $name: Kind =
            Kind { status: StatusCode::$status, kind: concat!("/problems/", $kind), title: $title, when: $when };)*

        /// Every kind.
        pub(crate) static ALL: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    PARAMETERS = BAD_REQUEST "parameters", "A parameter is wrong",
        "A part of the path, of the query or a header says nothing that is known; `errors` names each.";
    JSON = BAD_REQUEST "json", "The body is not JSON", "The body is no JSON, no UTF-8 or nested too deep.";
    BODY_BROKEN = BAD_REQUEST "body-broken", "The body did not arrive whole",
        "The connection broke, or the body was not as its head said.";
    UNAUTHORIZED = UNAUTHORIZED "unauthorized", "An API key is needed",
        "There is no `Authorization: Bearer` header, or its key is not known or has expired.";
    FORBIDDEN = FORBIDDEN "forbidden", "The key does not allow it",
        "The key lacks the action, which `missing` names, or does not reach what is named.";
    NOT_FOUND = NOT_FOUND "not-found", "Not found", "There is none, or the key does not reach it.";
    NO_ROUTE = NOT_FOUND "no-route", "No such route", "The path is that of no route.";
    METHOD = METHOD_NOT_ALLOWED "method", "The route has no such method", "`Allow` lists the methods that the route has.";
    TIMEOUT = REQUEST_TIMEOUT "timeout", "The request took too long", "The body did not arrive in time.";
    CONFLICT = CONFLICT "conflict", "Not in this state", "It cannot be done as things stand; `detail` says why.";
    GONE = GONE "gone", "Retention has cut what is asked for",
        "Events at or after the position were removed; `earliest` is the first position after which every change is there.";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body-too-large", "The body is too large", "The body is larger than 1 MiB.";
    MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "media-type", "The body must be JSON",
        "`Content-Type` is neither `application/json` nor `application/…+json`.";
    VALIDATION = UNPROCESSABLE_ENTITY "validation", "A field is wrong",
        "The body is JSON and something in it is wrong; `errors` names each field.";
    KEY_REUSED = UNPROCESSABLE_ENTITY "idempotency-key-reused", "The idempotency key was used before",
        "Within the last 24 h another request came with this `Idempotency-Key`.";
    LIMITED = TOO_MANY_REQUESTS "limited", "Too many requests", "The key, or the address, has had its share; `Retry-After` says until when.";
    INTERNAL = INTERNAL_SERVER_ERROR "internal", "Something went wrong here", "The service's log has more under the `request_id`.";
    BUSY = SERVICE_UNAVAILABLE "busy", "Too much at once", "Too much of the kind is under way; `Retry-After` says when to ask again.";
    STORE_CLOSED = SERVICE_UNAVAILABLE "store-closed", "The store takes nothing now", "The store was closed, or a write to the disk failed.";
    STOPPING = SERVICE_UNAVAILABLE "stopping", "The service is stopping", "The service is stopping.";
}
