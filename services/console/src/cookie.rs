//! The cookie that holds a session's id.
//!
//! Over https it has the prefix `__Host-`, which browsers take only with `Secure`, for this host alone and for all of it
//! (draft-ietf-httpbis-rfc6265bis, section 4.1.3.2). We serve plain http; a proxy before us says by `X-Forwarded-Proto` that
//! it speaks https. Who lies there weakens nobody's cookie but their own.

use http::{HeaderMap, HeaderValue, header};

const PLAIN: &str = "expensewire";
const HOST: &str = "__Host-expensewire";

/// Whether the browser speaks https.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The first is what the outermost proxy saw.
    forwarded.split(',').next().unwrap_or_default().trim().eq_ignore_ascii_case("https")
}

/// The session's id that a browser sent.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<&str> {
    let wanted = if is_https(headers) { HOST } else { PLAIN };
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == wanted).map(|(_, id)| id)
}

/// Gives the browser `id`, until it is closed.
pub(crate) fn set(headers: &HeaderMap, id: &str) -> HeaderValue {
    written(headers, id, "")
}

/// Takes it back.
pub(crate) fn cleared(headers: &HeaderMap) -> HeaderValue {
    written(headers, "", "; Max-Age=0")
}

fn written(headers: &HeaderMap, value: &str, age: &str) -> HeaderValue {
    let (name, secure) = if is_https(headers) { (HOST, "; Secure") } else { (PLAIN, "") };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
    HeaderValue::try_from(text).expect("an id is of base64url")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
        let plain = set(&headers(&[]), "abc");
        assert_eq!(plain, "expensewire=abc; Path=/; HttpOnly; SameSite=Strict");
        let https = set(&headers(&[("x-forwarded-proto", "https, http")]), "abc");
        assert_eq!(https, "__Host-expensewire=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
    }

    #[test]
    fn the_cookie_of_the_scheme_counts_among_others() {
        let both = ("cookie", "theme=x; expensewire=a; __Host-expensewire=b");
        assert_eq!(session_id(&headers(&[both])), Some("a"));
        assert_eq!(session_id(&headers(&[both, ("x-forwarded-proto", "https")])), Some("b"));
        assert_eq!(session_id(&headers(&[("cookie", "xexpensewire=a")])), None);
    }
}
