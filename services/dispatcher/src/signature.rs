//! Standard Webhooks 1.0.0 signatures, symmetric scheme (`v1`): base64 of HMAC-SHA256 over `id.timestamp.body`.
//!
//! The receiver checks the timestamp too, so an attempt that is repeated later is signed anew; the id stays.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a secret's text begins with.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes that a secret has, as the specification asks; the libraries of receivers do not check it.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A text that is no signing secret. It never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// It does not begin as a secret does.
    #[error("a signing secret begins with whsec_")]
    Prefix,
    /// What follows is not base64.
    #[error("what follows whsec_ is not base64")]
    Base64,
    /// Too short to be safe, or too long.
    #[error("a signing secret has 24 to 64 bytes, this one {0}")]
    Length(usize),
}

/// Which check of a signed message fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFailure {
    /// `webhook-timestamp` is no whole number of seconds.
    #[error("webhook-timestamp is not a whole number of seconds since 1970")]
    Timestamp,
    /// Older than the tolerance: perhaps a replay, or a clock that is wrong.
    #[error("webhook-timestamp is {0} s old, more than is allowed")]
    TooOld(i64),
    /// Newer than the tolerance.
    #[error("webhook-timestamp is {0} s ahead, more than is allowed")]
    TooNew(i64),
    /// `webhook-signature` has no `v1,…` in it.
    #[error("webhook-signature has no v1 signature")]
    NoSignature,
    /// None of its signatures fits: another secret, or id, timestamp or body were altered.
    #[error("no signature fits: another secret, or the id, timestamp or body were altered")]
    Mismatch,
}

/// The signature `v1,…` of `body`, sent as `id` at `timestamp_s` (seconds since 1970), under the raw bytes of a secret.
pub fn sign(secret: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let tag = mac(secret, id, &timestamp_s.to_string(), body).finalize().into_bytes();
    format!("v1,{}", STANDARD.encode(tag))
}

/// Checks a message as a receiver does. `timestamp` and `signature_header` are the headers as received; the message may
/// be at most `tolerance_s` seconds older or newer than `now_s`.
///
/// # Errors
/// The first check that fails; the signature is compared in constant time.
pub fn verify(
    secret: &[u8],
    id: &str,
    timestamp: &str,
    signature_header: &str,
    body: &[u8],
    now_s: i64,
    tolerance_s: i64,
) -> Result<(), VerifyFailure> {
    let sent_s: i64 = timestamp.parse().map_err(|_| VerifyFailure::Timestamp)?;
    let age_s = now_s.saturating_sub(sent_s);
    if age_s > tolerance_s {
        return Err(VerifyFailure::TooOld(age_s));
    }
    if age_s < tolerance_s.saturating_neg() {
        return Err(VerifyFailure::TooNew(age_s.saturating_neg()));
    }
    let mut signatures = signature_header.split(' ').filter_map(|one| one.strip_prefix("v1,")).peekable();
    if signatures.peek().is_none() {
        return Err(VerifyFailure::NoSignature);
    }
    // Over the text of the timestamp as it came: `+5` and `05` are not what was signed as `5`.
    let fits = |encoded: &str| {
        STANDARD.decode(encoded).is_ok_and(|tag| mac(secret, id, timestamp, body).verify_slice(&tag).is_ok())
    };
    if signatures.any(fits) { Ok(()) } else { Err(VerifyFailure::Mismatch) }
}

/// The raw bytes of a secret written `whsec_` and base64.
///
/// # Errors
/// When it is not written so, or has fewer than 24 or more than 64 bytes.
pub fn parse_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, InvalidSecret> {
    let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(InvalidSecret::Prefix)?;
    let secret = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| InvalidSecret::Base64)?);
    if SECRET_BYTES.contains(&secret.len()) { Ok(secret) } else { Err(InvalidSecret::Length(secret.len())) }
}

fn mac(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT_S: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(timestamp: &str, signature: &str, body: &[u8], now_s: i64) -> Result<(), VerifyFailure> {
        verify(&parse_secret(SECRET).expect("secret"), ID, timestamp, signature, body, now_s, 300)
    }

    #[test]
    fn the_vector_of_the_specification_is_met() {
        assert_eq!(sign(&parse_secret(SECRET).expect("secret"), ID, SENT_S, BODY), SIGNATURE);
        assert_eq!(check("1614265330", SIGNATURE, BODY, SENT_S), Ok(()));
    }

    #[test]
    fn one_signature_of_several_is_enough() {
        let several = format!("v1a,AAAA v1,AAAA {SIGNATURE}");
        assert_eq!(check("1614265330", &several, BODY, SENT_S), Ok(()));
    }

    #[test]
    fn the_check_that_fails_is_named() {
        let sent = "1614265330";
        assert_eq!(check(sent, SIGNATURE, BODY, SENT_S + 300), Ok(()));
        assert_eq!(check(sent, SIGNATURE, BODY, SENT_S + 301), Err(VerifyFailure::TooOld(301)));
        assert_eq!(check(sent, SIGNATURE, BODY, SENT_S - 301), Err(VerifyFailure::TooNew(301)));
        assert_eq!(check("soon", SIGNATURE, BODY, SENT_S), Err(VerifyFailure::Timestamp));
        assert_eq!(check(sent, "v2,AAAA", BODY, SENT_S), Err(VerifyFailure::NoSignature));
        assert_eq!(check(sent, "v1,AAAA", BODY, SENT_S), Err(VerifyFailure::Mismatch));
        assert_eq!(check(sent, SIGNATURE, b"{}", SENT_S), Err(VerifyFailure::Mismatch));
        assert_eq!(check("+1614265330", SIGNATURE, BODY, SENT_S), Err(VerifyFailure::Mismatch));
    }

    #[test]
    fn weak_and_misspelt_secrets_are_refused_without_showing_them() {
        assert_eq!(parse_secret("MfKQ9r8G"), Err(InvalidSecret::Prefix));
        assert_eq!(parse_secret("whsec_!"), Err(InvalidSecret::Base64));
        assert_eq!(parse_secret("whsec_MfKQ9r8G"), Err(InvalidSecret::Length(6)));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert_eq!(parse_secret(&long), Err(InvalidSecret::Length(65)));
    }
}
