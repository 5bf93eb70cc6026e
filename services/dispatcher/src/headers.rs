//! The headers of a delivery.

use std::collections::BTreeMap;

use event_model::EventId;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

pub(crate) const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
pub(crate) const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(crate) const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Headers that a subscription may not set: ours, and those that say how the message is framed or routed.
const RESERVED: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "accept-encoding",
];
/// Families of such headers.
const RESERVED_PREFIXES: [&str; 3] = ["webhook-", "proxy-", "ce-"];

/// What every delivery to a subscription carries: its own headers, as far as they may be, and ours.
pub(crate) fn fixed(own: &BTreeMap<String, String>, version: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in own {
        let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) else {
            continue;
        };
        if !is_reserved(&name) {
            // People put credentials into them.
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = HeaderValue::try_from(format!("expensewire/{version}"));
    headers.insert(USER_AGENT, agent.unwrap_or(HeaderValue::from_static("expensewire")));
    headers
}

/// Adds what belongs to one attempt.
pub(crate) fn stamp(headers: &mut HeaderMap, id: &EventId, timestamp_s: i64, signatures: &[String]) {
    let value = |text: &str| HeaderValue::try_from(text).expect("ids, numbers and base64 are visible ASCII");
    headers.insert(WEBHOOK_ID, value(id.as_str()));
    headers.insert(WEBHOOK_TIMESTAMP, value(&timestamp_s.to_string()));
    headers.insert(WEBHOOK_SIGNATURE, value(&signatures.join(" ")));
}

fn is_reserved(name: &HeaderName) -> bool {
    RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_adds_headers_but_overrides_none_of_ours() {
        let own = [
            ("Authorization", "Bearer x"),
            ("Webhook-Id", "evil"),
            ("Content-Type", "text/plain"),
            ("HOST", "internal"),
            ("User-Agent", "me"),
            ("bad name", "x"),
            ("x-bad-value", "a\r\nb"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut headers = fixed(&own, "1.2.3");
        stamp(&mut headers, &"evt_1".parse().expect("id"), 17, &["v1,a".to_owned(), "v1,b".to_owned()]);
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
