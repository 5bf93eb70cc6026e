//! The cookies: one holds a session's id, one the token of the form for signing in.
//!
//! Over https it has the prefix `__Host-`, which browsers take only with `Secure`, for this host alone and for all of it
//! (draft-ietf-httpbis-rfc6265bis, section 4.1.3.2). We serve plain http; a proxy before us says by `X-Forwarded-Proto` that
//! it speaks https. Who lies there weakens nobody's cookie but their own.

use http::{HeaderMap, HeaderValue, header};

/// The cookie with a session's id.
pub(crate) const SESSION: Cookie = Cookie { plain: "expensewire", host: "__Host-expensewire" };

/// The cookie with the token that the form for signing in carries as well.
pub(crate) const FORM: Cookie = Cookie { plain: "expensewire-form", host: "__Host-expensewire-form" };

/// A cookie, by its name over http and over https.
pub(crate) struct Cookie {
    plain: &'static str,
    host: &'static str,
}

/// Whether the browser speaks https.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The first is what the outermost proxy saw.
    forwarded.split(',').next().unwrap_or_default().trim().eq_ignore_ascii_case("https")
}

impl Cookie {
    /// What a browser sent in it.
    pub fn of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let wanted = if is_https(headers) { self.host } else { self.plain };
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        cookies.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// Gives the browser `value`, of base64url, until it is closed.
    pub fn set(&self, headers: &HeaderMap, value: &str) -> HeaderValue {
        self.written(headers, value, "")
    }

    /// Takes it back.
    pub fn cleared(&self, headers: &HeaderMap) -> HeaderValue {
        self.written(headers, "", "; Max-Age=0")
    }

    fn written(&self, headers: &HeaderMap, value: &str, age: &str) -> HeaderValue {
        let (name, secure) = if is_https(headers) { (self.host, "; Secure") } else { (self.plain, "") };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
        HeaderValue::try_from(text).expect("a value of base64url")
    }
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
        let plain = SESSION.set(&headers(&[]), "abc");
        assert_eq!(plain, "expensewire=abc; Path=/; HttpOnly; SameSite=Strict");
        let https = SESSION.set(&headers(&[("x-forwarded-proto", "https, http")]), "abc");
        assert_eq!(https, "__Host-expensewire=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
    }

    #[test]
    fn the_cookie_of_the_scheme_counts_among_others() {
        let both = ("cookie", "theme=x; expensewire=a; __Host-expensewire=b");
        assert_eq!(SESSION.of(&headers(&[both])), Some("a"));
        assert_eq!(SESSION.of(&headers(&[both, ("x-forwarded-proto", "https")])), Some("b"));
        assert_eq!(SESSION.of(&headers(&[("cookie", "xexpensewire=a; expensewire-form=b")])), None);
        assert_eq!(FORM.of(&headers(&[("cookie", "expensewire=a; expensewire-form=b")])), Some("b"));
    }
}
