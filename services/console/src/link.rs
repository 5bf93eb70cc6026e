//! Addresses made of what people and logs say.

use std::fmt::Write;

use url::form_urlencoded::Serializer;

/// `text` as one segment of a path (RFC 3986, section 3.3), or as it may stand anywhere in an address.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `path` with a query of those `pairs` that have a value.
pub(crate) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    let query = Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The page of an entity.
pub(crate) fn entity(account: &str, subject: &str) -> String {
    with_query("/console/entity", &[("account", account), ("subject", subject)])
}

/// Where somebody wanted to go, if that is a page of ours: a path, and nothing that a browser takes for another host.
pub(crate) fn local(next: &str) -> &str {
    let is_plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_ours = next == "/" || next.starts_with("/console/") && !next.starts_with("/console/sign-");
    if is_plain && is_ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_gone_to_after_signing_in() {
        for ours in ["/", "/console/events?type=report.*"] {
            assert_eq!(local(ours), ours);
        }
        for other in ["", "//evil.example/console/", "https://evil.example/", "/\\evil.example", "/console/\r\nx: y"] {
            assert_eq!(local(other), "/", "{other}");
        }
        assert_eq!(local("/console/sign-out"), "/");
    }

    #[test]
    fn what_is_put_into_an_address_cannot_leave_its_place() {
        assert_eq!(segment("../a b?c#d/é"), "..%2Fa%20b%3Fc%23d%2F%C3%A9");
        assert_eq!(with_query("/x", &[("a", "1&b=2"), ("none", "")]), "/x?a=1%26b%3D2");
        assert_eq!(with_query("/x", &[("none", "")]), "/x");
    }
}
