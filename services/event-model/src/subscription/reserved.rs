//! Headers of a delivery that no subscription may set.

/// Set by the service or by the connection: a subscriber's word would break the delivery or lie about it.
const OURS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Beginnings of names that are the service's: Standard Webhooks, CloudEvents in binary mode, and what speaks to proxies.
const OUR_PREFIXES: &[&str] = &["webhook-", "ce-", "proxy-"];

/// Whether a header of this name is the service's to set, in any case, and with `_` for `-`: gateways that hand headers on
/// as variables (CGI, RFC 3875 section 4.1.18) make one of the two.
pub fn is_reserved_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    OURS.contains(&name.as_str()) || OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_name_that_is_ours_is_free() {
        for ours in
            ["webhook-id", "Webhook-Signature", "webhook_timestamp", "CE-Type", "ce_id", "HOST", "Content_Length"]
        {
            assert!(is_reserved_header(ours), "{ours}");
        }
        for free in ["authorization", "x-webhook-id", "cookie", "x_tenant", "certificate", "content-language"] {
            assert!(!is_reserved_header(free), "{free}");
        }
    }
}
