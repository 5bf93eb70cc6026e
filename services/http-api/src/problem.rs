//! Refusals, and the one place where they become HTTP.
//!
//! A handler returns a [`Refusal`]: what is wrong, in the API's own words, without a status. It travels to the edge in the
//! extensions of an empty response; there [`Problem::of`] gives it a status and RFC 9457's form, and what went wrong inside
//! is logged once and not shown. `type` and the names of its members are stable; titles and details are for people. Which
//! kinds there are is in [`kind`].

pub(crate) mod kind;

use std::{error::Error, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use event_model::{Action, Sequence};
use event_store::{SealError, StoreError};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use self::kind::Kind;
use crate::{
    config::{MAX_BODY_BYTES, REQUEST_TIMEOUT},
    limits::Standing,
};

/// Most faults that one answer lists: a body of a megabyte can hold a hundred thousand.
const MAX_FAULTS: usize = 50;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No bearer token.
    NoKey,
    /// A bearer token that is no key.
    BadKey,
    /// The key is known, and does not allow it.
    Forbidden(Denied),
    /// The caller asks too often.
    Limited(Standing),
    NoRoute,
    NoMethod,
    NotFound {
        what: &'static str,
        id: String,
    },
    /// It may be there, but it cannot be found in the way that was asked for.
    NoLookup(&'static str),
    /// The path, the query or a header says nothing that we know.
    Parameters(Vec<Fault>),
    /// The body is not JSON.
    NotJson(String),
    /// The body is JSON, and says nothing that we know.
    Fields(Vec<Fault>),
    MediaType,
    BodyTooLarge,
    /// The body did not arrive whole.
    BodyBroken,
    TooSlow,
    /// Events after this position were cut; what is left of them is no history.
    Gone {
        earliest: Sequence,
    },
    /// What is asked cannot be done in the state that the thing is in.
    Conflict(String),
    /// The idempotency key came before with another request.
    KeyReused,
    /// A bound is reached that time alone lowers.
    Busy(&'static str),
    /// The store takes no writes, which was logged when it began.
    NotReady,
    /// The service is ending.
    Stopping,
    Store(StoreError),
    Seal(SealError),
    /// A value of ours does not go into its text form, or out of it.
    Encoding(Box<dyn Error + Send + Sync>),
    Panicked,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Fault {
    /// Where in the body, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which parameter of path or query, or which header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

impl Fault {
    pub fn at(pointer: impl Into<String>, detail: impl ToString) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, detail: detail.to_string() }
    }

    pub fn of(parameter: impl Into<String>, detail: impl ToString) -> Self {
        Self { pointer: None, parameter: Some(parameter.into()), detail: detail.to_string() }
    }
}

/// What a key does not allow; told to its holder alone.
#[derive(Debug)]
pub(crate) struct Denied {
    detail: String,
    /// The action that is missing, or the part of the scope.
    missing: Option<&'static str>,
    /// What of the body is outside.
    faults: Vec<Fault>,
}

impl Denied {
    /// The key does not allow `action`.
    pub fn action(action: Action) -> Self {
        let detail = format!("the key does not allow the action {:?}", action.as_str());
        Self { detail, missing: Some(action.as_str()), faults: Vec::new() }
    }

    /// The key's `list` would have to be `wanted`.
    pub fn scope(list: &'static str, wanted: &str) -> Self {
        let detail = format!("this needs a key that may see {wanted}");
        Self { detail, missing: Some(list), faults: Vec::new() }
    }

    /// What the body names is not the key's to give.
    pub fn fields(faults: Vec<Fault>) -> Self {
        Self { detail: "what is named is outside of what the key allows, see errors".to_owned(), missing: None, faults }
    }

    /// Only who may do everything may do this.
    pub fn reserved(what: &str) -> Self {
        let detail = format!("only a key that allows everything may {what}");
        Self { detail, missing: None, faults: Vec::new() }
    }

    /// Nobody said who may use the route.
    pub fn route() -> Self {
        Self { detail: "the route is open to nobody".to_owned(), missing: None, faults: Vec::new() }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Forbidden(denied)
    }
}

impl From<StoreError> for Refusal {
    fn from(source: StoreError) -> Self {
        Self::Store(source)
    }
}

impl From<SealError> for Refusal {
    fn from(source: SealError) -> Self {
        Self::Seal(source)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = Problem::of(&self).status;
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// The body of a refusal (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    #[schemars(with = "u16")]
    pub status: StatusCode,
    detail: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
    /// The earliest position after which nothing was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest: Option<Sequence>,
    /// The action, or the part of its scope, that the key lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
}

impl<'a> Problem<'a> {
    /// What the caller is told.
    pub fn of(refusal: &'a Refusal) -> Self {
        let Kind { status, kind, title, .. } = *class(refusal);
        let errors = faults(refusal);
        let errors = &errors[..errors.len().min(MAX_FAULTS)];
        let earliest = if let Refusal::Gone { earliest } = refusal { Some(*earliest) } else { None };
        let missing = if let Refusal::Forbidden(denied) = refusal { denied.missing } else { None };
        Self { kind, title, status, detail: detail(refusal), errors, earliest, missing, request_id: "" }
    }

    /// The same, with the id under which the log has more.
    pub fn for_request(self, request_id: &'a str) -> Self {
        Self { request_id, ..self }
    }
}

fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

fn faults(refusal: &Refusal) -> &[Fault] {
    match refusal {
        Refusal::Fields(faults) | Refusal::Parameters(faults) | Refusal::Forbidden(Denied { faults, .. }) => faults,
        _ => &[],
    }
}

/// What each refusal is told as.
fn class(refusal: &Refusal) -> &'static Kind {
    match refusal {
        Refusal::NoKey | Refusal::BadKey => &kind::UNAUTHORIZED,
        Refusal::Forbidden(_) => &kind::FORBIDDEN,
        Refusal::Limited(_) => &kind::LIMITED,
        Refusal::NoRoute => &kind::NO_ROUTE,
        Refusal::NoMethod => &kind::METHOD,
        Refusal::NotFound { .. } | Refusal::NoLookup(_) => &kind::NOT_FOUND,
        Refusal::Parameters(_) => &kind::PARAMETERS,
        Refusal::NotJson(_) => &kind::JSON,
        Refusal::BodyBroken => &kind::BODY_BROKEN,
        Refusal::Fields(_) => &kind::VALIDATION,
        Refusal::MediaType => &kind::MEDIA_TYPE,
        Refusal::BodyTooLarge => &kind::BODY_TOO_LARGE,
        Refusal::TooSlow => &kind::TIMEOUT,
        Refusal::Gone { .. } => &kind::GONE,
        Refusal::Conflict(_) => &kind::CONFLICT,
        Refusal::KeyReused => &kind::KEY_REUSED,
        Refusal::Busy(_) => &kind::BUSY,
        Refusal::NotReady | Refusal::Store(StoreError::Poisoned | StoreError::Closed) => &kind::STORE_CLOSED,
        Refusal::Stopping => &kind::STOPPING,
        Refusal::Store(_) | Refusal::Seal(_) | Refusal::Encoding(_) | Refusal::Panicked => &kind::INTERNAL,
    }
}

/// What a person reads. What went wrong inside stays inside: the log has it, under the request's id.
fn detail(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoKey => "send `Authorization: Bearer <key>`".to_owned(),
        Refusal::BadKey => "the key is not known".to_owned(),
        Refusal::Forbidden(denied) => denied.detail.clone(),
        Refusal::Limited(standing) => format!("try again in {} s", standing.wait_s.unwrap_or_default()),
        Refusal::NoRoute => "`GET /` lists the routes".to_owned(),
        Refusal::NoMethod => "the Allow header lists the methods".to_owned(),
        Refusal::NotFound { what, id } => format!("there is no {what} {id:?}"),
        Refusal::Parameters(faults) | Refusal::Fields(faults) => counted(faults.len()),
        Refusal::NotJson(why) => why.clone(),
        Refusal::BodyBroken => "the connection broke, or the body was not as its head said".to_owned(),
        Refusal::MediaType => "send `Content-Type: application/json`".to_owned(),
        Refusal::BodyTooLarge => format!("a body may have {MAX_BODY_BYTES} bytes"),
        Refusal::TooSlow => format!("a request may take {} s", REQUEST_TIMEOUT.as_secs()),
        Refusal::Gone { earliest } => format!(
            "every change after sequence {earliest} is still there; `after=0` begins with the last event of each entity"
        ),
        Refusal::Conflict(why) => why.clone(),
        Refusal::KeyReused => "it came with another request within the last 24 h; use a new key".to_owned(),
        Refusal::Busy(what) | Refusal::NoLookup(what) => (*what).to_owned(),
        Refusal::NotReady | Refusal::Stopping | Refusal::Store(StoreError::Poisoned | StoreError::Closed) => {
            "try again when the service has restarted".to_owned()
        }
        Refusal::Store(_) | Refusal::Seal(_) | Refusal::Encoding(_) | Refusal::Panicked => {
            "the service's log says what, under this request_id".to_owned()
        }
    }
}

fn counted(faults: usize) -> String {
    match faults {
        1 => "one thing is wrong, see errors".to_owned(),
        n if n > MAX_FAULTS => format!("{n} things are wrong, errors lists the first {MAX_FAULTS}"),
        n => format!("{n} things are wrong, see errors"),
    }
}

/// The failure inside that a refusal stands for, if it is ours; it belongs in the log.
pub(crate) fn inner(refusal: &Refusal) -> Option<&(dyn Error + 'static)> {
    match refusal {
        Refusal::Store(source) => Some(source),
        Refusal::Seal(source) => Some(source),
        Refusal::Encoding(source) => Some(&**source),
        _ => None,
    }
}
