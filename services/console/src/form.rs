//! Forms, and why one that another site sends is not taken.
//!
//! Each form of a session carries its token. The cookie is `SameSite=Strict`, so that another site's form comes without a session
//! at all; and where the browser says by `Sec-Fetch-Site` or `Origin` that a form comes from elsewhere, that alone suffices.
//!
//! The form for signing in is sent before there is a session. Else another site could sign somebody in with a key of its own, and
//! look on at what they then set up. It carries a token that its page put into a cookie, which no other site can read or set.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use tokio::time::timeout;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::{config::MAX_FORM_BYTES, failure::Failure, state::Console, visitor::Visitor};

/// The name of the field that has the token.
const CSRF: &str = "csrf";
/// The name of the field that makes the sending unique.
const ONCE: &str = "once";
/// How long a form may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The fields of a form. Their text is overwritten at the end: a key may be among it.
pub(crate) struct Fields(Vec<(String, Zeroizing<String>)>);

impl Fields {
    /// The field `name` without the space around it; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Each value of `name` that is not empty.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The words of the field `name`, between commas, spaces or line breaks.
    pub fn words(&self, name: &str) -> Vec<&str> {
        let words = self.all(name).flat_map(|value| value.split(|c: char| c == ',' || c.is_whitespace()));
        words.filter(|word| !word.is_empty()).collect()
    }

    /// Whether the box `name` is ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// What makes this sending of the form unique.
    pub fn once(&self) -> &str {
        self.text(ONCE)
    }
}

/// The fields of a form that anybody may send, from a page of ours.
impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Failure> {
        if !is_ours(request.headers()) {
            return Err(Failure::Forged);
        }
        let body = timeout(ARRIVAL, to_bytes(request.into_body(), MAX_FORM_BYTES)).await;
        let Ok(Ok(bytes)) = body else { return Err(Failure::BadForm) };
        let pairs = form_urlencoded::parse(&bytes);
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect()))
    }
}

/// A form of somebody who is signed in, with the token of their session.
pub(crate) struct Posted {
    pub visitor: Visitor,
    pub fields: Fields,
}

impl FromRequest<Arc<Console>> for Posted {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, console: &Arc<Console>) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        let fields = Fields::from_request(Request::from_parts(parts, body), console).await?;
        if fields.carry(visitor.session.csrf()) { Ok(Self { visitor, fields }) } else { Err(Failure::Forged) }
    }
}

impl Fields {
    /// Whether they carry the token `kept`; takes as long for a wrong one as for the right one.
    pub fn carry(&self, kept: &str) -> bool {
        self.text(CSRF).as_bytes().ct_eq(kept.as_bytes()).into()
    }
}

/// Whether nothing says that a form comes from another site.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return true };
    let host = text(header::HOST.as_str()).unwrap_or_default();
    let same = |origin: &Url| {
        let authority = origin.port().map_or_else(
            || origin.host_str().unwrap_or_default().to_owned(),
            |port| format!("{}:{port}", origin.host_str().unwrap_or_default()),
        );
        authority == host
    };
    Url::parse(origin).is_ok_and(|origin| same(&origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn what_the_browser_says_comes_from_elsewhere_is_not_ours() {
        for ours in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
            &[("origin", "https://wire.example"), ("host", "wire.example")],
        ] {
            assert!(is_ours(&headers(ours)), "{ours:?}");
        }
        for other in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null"), ("host", "wire.example")],
            &[("origin", "https://evil.example"), ("host", "wire.example")],
            &[("origin", "http://wire.example:81"), ("host", "wire.example")],
        ] {
            assert!(!is_ours(&headers(other)), "{other:?}");
        }
    }

    #[test]
    fn only_the_token_that_is_kept_is_carried() {
        let carrying = |token: &str| Fields(vec![(CSRF.to_owned(), Zeroizing::new(token.to_owned()))]);
        assert!(carrying("abc").carry("abc"));
        for wrong in ["", "ab", "abcd", "abd"] {
            assert!(!carrying(wrong).carry("abc"), "{wrong}");
        }
        assert!(!Fields(Vec::new()).carry("abc"));
    }

    #[test]
    fn words_stand_between_commas_and_spaces() {
        let value = Zeroizing::new(" report.*, policy.changed\r\ncard.added,".to_owned());
        let fields = Fields(vec![("events".to_owned(), value)]);
        assert_eq!(fields.words("events"), ["report.*", "policy.changed", "card.added"]);
        assert_eq!((fields.text("none"), fields.is_ticked("none")), ("", false));
    }
}
