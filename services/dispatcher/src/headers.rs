//! The headers of a delivery.

use std::collections::BTreeMap;

use event_model::{
    EventId,
    subscription::is_reserved_header,
    trace::{SpanId, TraceId, traceparent},
};
use event_store::SealError;
use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use zeroize::Zeroizing;

pub(crate) const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
pub(crate) const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(crate) const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What this program, in this version, calls itself.
pub(crate) fn agent(version: &str) -> HeaderValue {
    let agent = HeaderValue::try_from(format!("expensewire/{version}"));
    agent.unwrap_or(HeaderValue::from_static("expensewire"))
}

/// The headers that a subscription has of its own, as far as they may be. `open` gives the value that is sealed under a
/// name.
///
/// # Errors
/// When a value does not open.
pub(crate) fn own(
    sealed: &BTreeMap<String, String>,
    open: impl Fn(&str, &str) -> Result<Zeroizing<Vec<u8>>, SealError>,
) -> Result<HeaderMap, SealError> {
    let mut headers = HeaderMap::new();
    for (text, sealed) in sealed {
        let Some(name) = HeaderName::try_from(text.as_str()).ok().filter(|name| !is_reserved_header(name.as_str()))
        else {
            continue;
        };
        let opened = open(text, sealed)?;
        let Ok(mut value) = HeaderValue::from_bytes(&opened) else { continue };
        // People put credentials into them.
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Says which trace the attempt belongs to, so that the receiver can go on with it.
pub(crate) fn trace(headers: &mut HeaderMap, trace: TraceId, span: SpanId, kept: bool) {
    let value = HeaderValue::try_from(traceparent(trace, span, kept)).expect("hexadecimal digits and hyphens");
    headers.insert(TRACEPARENT, value);
}

/// Adds what is ours and what belongs to one attempt; it stands before what a subscription says. `described` are the headers
/// that say what the body is.
pub(crate) fn stamp(
    headers: &mut HeaderMap,
    described: &[(HeaderName, HeaderValue)],
    agent: &HeaderValue,
    id: &EventId,
    timestamp_s: i64,
    signatures: &[String],
) {
    headers.extend(described.iter().cloned());
    headers.insert(USER_AGENT, agent.clone());
    let value = |text: &str| HeaderValue::try_from(text).expect("ids, numbers and base64 are visible ASCII");
    headers.insert(WEBHOOK_ID, value(id.as_str()));
    headers.insert(WEBHOOK_TIMESTAMP, value(&timestamp_s.to_string()));
    headers.insert(WEBHOOK_SIGNATURE, value(&signatures.join(" ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_adds_headers_but_overrides_none_of_ours() {
        let own = [
            ("Authorization", "Bearer x"),
            ("Webhook-Id", "evil"),
            ("webhook_id", "evil"),
            ("Ce-Type", "evil"),
            ("Connection", "webhook-id"),
            ("Content-Type", "text/plain"),
            ("HOST", "internal"),
            ("User-Agent", "me"),
            ("bad name", "x"),
            ("x-bad-value", "a\r\nb"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let open = |_: &str, sealed: &str| Ok(Zeroizing::new(sealed.as_bytes().to_vec()));
        let mut headers = super::own(&own, open).expect("opened");
        stamp(
            &mut headers,
            &[(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            &agent("1.2.3"),
            &"evt_1".parse().expect("id"),
            17,
            &["v1,a".to_owned(), "v1,b".to_owned()],
        );
        let mut seen: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().expect("text"))).collect();
        seen.sort_unstable();
        assert_eq!(
            seen,
            [
                ("authorization", "Bearer x"),
                ("content-type", "application/json"),
                ("user-agent", "expensewire/1.2.3"),
                ("webhook-id", "evt_1"),
                ("webhook-signature", "v1,a v1,b"),
                ("webhook-timestamp", "17"),
            ]
        );
        assert!(!format!("{headers:?}").contains("Bearer"), "a subscriber's credential is not shown");
    }
}
