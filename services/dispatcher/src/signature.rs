//! Standard Webhooks 1.0.0 signatures over `id.timestamp.body`: `v1`, base64 of HMAC-SHA256 under a shared secret, and
//! `v1a`, base64 of ed25519 (RFC 8032) under a key whose public half the receiver has.
//!
//! The receiver checks the timestamp too, so an attempt that is repeated later is signed anew; the id stays.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
pub use event_model::secret::{InvalidSecret, parse_public_key, parse_secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

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
    /// `webhook-signature` has no signature of the kind that is checked, `v1,…` or `v1a,…`.
    #[error("webhook-signature has no {0} signature")]
    NoSignature(&'static str),
    /// None of its signatures fits: another secret, or id, timestamp or body were altered.
    #[error("no signature fits: another secret or key, or the id, timestamp or body were altered")]
    Mismatch,
}

/// The signature `v1,…` of `body`, sent as `id` at `timestamp_s` (seconds since 1970), under the raw bytes of a secret.
pub fn sign(secret: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    sign_keyed(keyed(secret), id, timestamp_s, body)
}

/// The same under [`keyed`].
pub(crate) fn sign_keyed(mac: Hmac<Sha256>, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let tag = over(mac, id, &timestamp_s.to_string(), body).finalize().into_bytes();
    format!("v1,{}", STANDARD.encode(tag))
}

/// What signs under these raw bytes of a secret, for several signatures. It is wiped when dropped.
pub(crate) fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length")
}

/// The signature `v1a,…` of the same under the seed of an ed25519 key; `None` when it has not 32 bytes.
pub fn sign_ed25519(seed: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> Option<String> {
    let key = SigningKey::from_bytes(seed.try_into().ok()?);
    Some(sign_with(&key, id, timestamp_s, body))
}

/// The same under a key that stands.
pub(crate) fn sign_with(key: &SigningKey, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let signature = key.sign(&signed_content(id, &timestamp_s.to_string(), body));
    format!("v1a,{}", STANDARD.encode(signature.to_bytes()))
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
    check_time(timestamp, now_s, tolerance_s)?;
    // Over the text of the timestamp as it came: `+5` and `05` are not what was signed as `5`.
    any_fits(signature_header, "v1", |tag| over(keyed(secret), id, timestamp, body).verify_slice(tag).is_ok())
}

/// The same for `v1a` and a public key of 32 bytes. Signatures that fit other texts too are refused (RFC 8032, section 8.4
/// and "verify strict" of the ed25519 library).
///
/// # Errors
/// As [`verify`].
pub fn verify_ed25519(
    public_key: &[u8; 32],
    id: &str,
    timestamp: &str,
    signature_header: &str,
    body: &[u8],
    now_s: i64,
    tolerance_s: i64,
) -> Result<(), VerifyFailure> {
    check_time(timestamp, now_s, tolerance_s)?;
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| VerifyFailure::Mismatch)?;
    let content = signed_content(id, timestamp, body);
    let fits = |bytes: &[u8]| Signature::from_slice(bytes).is_ok_and(|one| key.verify_strict(&content, &one).is_ok());
    any_fits(signature_header, "v1a", fits)
}

fn check_time(timestamp: &str, now_s: i64, tolerance_s: i64) -> Result<(), VerifyFailure> {
    let sent_s: i64 = timestamp.parse().map_err(|_| VerifyFailure::Timestamp)?;
    let age_s = now_s.saturating_sub(sent_s);
    if age_s > tolerance_s {
        return Err(VerifyFailure::TooOld(age_s));
    }
    if age_s < tolerance_s.saturating_neg() {
        return Err(VerifyFailure::TooNew(age_s.saturating_neg()));
    }
    Ok(())
}

fn any_fits(header: &str, version: &'static str, fits: impl Fn(&[u8]) -> bool) -> Result<(), VerifyFailure> {
    let of_version =
        |one: &'_ str| one.split_once(',').filter(|(known, _)| *known == version).map(|(_, text)| text.to_owned());
    let mut signatures = header.split(' ').filter_map(of_version).peekable();
    if signatures.peek().is_none() {
        return Err(VerifyFailure::NoSignature(version));
    }
    let fits = |encoded: String| STANDARD.decode(encoded).is_ok_and(|bytes| fits(&bytes));
    if signatures.any(fits) { Ok(()) } else { Err(VerifyFailure::Mismatch) }
}

/// What is signed, in one piece: ed25519 reads it twice.
fn signed_content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

fn over(mut mac: Hmac<Sha256>, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
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
        assert_eq!(check(sent, "v2,AAAA v1a,AAAA", BODY, SENT_S), Err(VerifyFailure::NoSignature("v1")));
        assert_eq!(check(sent, "v1,AAAA", BODY, SENT_S), Err(VerifyFailure::Mismatch));
        assert_eq!(check(sent, SIGNATURE, b"{}", SENT_S), Err(VerifyFailure::Mismatch));
        assert_eq!(check("+1614265330", SIGNATURE, BODY, SENT_S), Err(VerifyFailure::Mismatch));
    }

    #[test]
    fn an_ed25519_signature_fits_its_text_and_its_key_alone() {
        // RFC 8032, section 7.1, test 1: the seed, and the public key that it has.
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let header = sign_ed25519(&seed, ID, SENT_S, BODY).expect("a seed");
        assert!(header.starts_with("v1a,"));
        let check = |key: &[u8; 32], id: &str, header: &str, body: &[u8]| {
            verify_ed25519(key, id, &SENT_S.to_string(), header, body, SENT_S, 300)
        };
        assert_eq!(check(&public, ID, &format!("v1,AAAA v1a,AAAA {header}"), BODY), Ok(()));
        assert_eq!(check(&public, ID, &header, b"{}"), Err(VerifyFailure::Mismatch));
        assert_eq!(check(&public, "msg_other", &header, BODY), Err(VerifyFailure::Mismatch));
        assert_eq!(check(&[1; 32], ID, &header, BODY), Err(VerifyFailure::Mismatch));
        assert_eq!(check(&public, ID, SIGNATURE, BODY), Err(VerifyFailure::NoSignature("v1a")));
        let late = verify_ed25519(&public, ID, &SENT_S.to_string(), &header, BODY, SENT_S + 301, 300);
        assert_eq!(late, Err(VerifyFailure::TooOld(301)));
        assert_eq!(sign_ed25519(&seed[..31], ID, SENT_S, BODY), None);
    }

    fn hex(text: &str) -> [u8; 32] {
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex");
        std::array::from_fn(byte)
    }
}
