//! Signing secrets as text (`whsec_` and base64), and which of them are too weak to be taken over from elsewhere.
//!
//! The libraries of receivers check nothing of a secret. One that the service makes is random; one that a person brings may be
//! a word, a counter or the example of a manual, and then anybody can sign in the service's name. [`check_strength`] refuses
//! what no random generator gives: a random secret of 24 bytes fails it with a chance below 2^-40.

use std::ops::RangeInclusive;

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// What an ed25519 public key's text begins with.
const PUBLIC_PREFIX: &str = "whpk_";
/// Bytes that a secret has, as Standard Webhooks asks.
const BYTES: RangeInclusive<usize> = 24..=64;
/// Least number of different byte values: 24 random bytes have 22 or 23 as a rule, and fewer than 10 practically never.
const MIN_DIFFERENT: usize = 10;
/// Secrets printed in the manuals and libraries of Standard Webhooks and Svix.
const PUBLISHED: &[&str] = &[
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "plJ3nmyCDGBKInavdOK15jsl",
    "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
];

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

/// Why a secret that a person brings is not taken. It never shows the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// All bytes alike, or a shorter text again and again.
    #[error("it repeats itself: take random bytes")]
    Repeats,
    /// A counter, up or down by any step.
    #[error("its bytes count up or down: take random bytes")]
    Counts,
    /// Fewer different bytes than random ones have.
    #[error("it has few different bytes: take random bytes")]
    FewValues,
    /// Letters and spaces, or digits: words, a name, a date.
    #[error("it is words or a number, not random bytes; was the text itself encoded?")]
    Text,
    /// An example of a manual.
    #[error("it is printed in a manual: anybody knows it")]
    Published,
}

/// The raw bytes of a secret written `whsec_` and base64; they are wiped when dropped.
///
/// # Errors
/// When it is not written so, or has fewer than 24 or more than 64 bytes.
pub fn parse_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, InvalidSecret> {
    let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret::Prefix)?;
    let secret = Zeroizing::new(BASE64.decode(encoded.as_bytes()).map_err(|_| InvalidSecret::Base64)?);
    if BYTES.contains(&secret.len()) { Ok(secret) } else { Err(InvalidSecret::Length(secret.len())) }
}

/// A secret as receivers take it.
pub fn secret_text(secret: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + BASE64.encode_len(secret.len())));
    text.push_str(PREFIX);
    BASE64.encode_append(secret, &mut text);
    text
}

/// An ed25519 public key as receivers take it.
pub fn public_key_text(key: &[u8; 32]) -> String {
    format!("{PUBLIC_PREFIX}{}", BASE64.encode(key))
}

/// The bytes of an ed25519 public key written `whpk_` and base64; `None` when it is not written so.
pub fn parse_public_key(text: &str) -> Option<[u8; 32]> {
    BASE64.decode(text.strip_prefix(PUBLIC_PREFIX)?.as_bytes()).ok()?.try_into().ok()
}

/// Refuses what was not drawn at random, as far as that can be seen.
///
/// # Errors
/// The first weakness found.
pub fn check_strength(secret: &[u8]) -> Result<(), WeakSecret> {
    if PUBLISHED.iter().any(|known| BASE64.decode(known.as_bytes()).is_ok_and(|known| known == secret)) {
        return Err(WeakSecret::Published);
    }
    let repeats = |period: usize| secret.iter().zip(&secret[period..]).all(|(a, b)| a == b);
    if (1..=secret.len() / 2).any(repeats) {
        return Err(WeakSecret::Repeats);
    }
    let mut steps = secret.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let first = steps.next();
    if steps.all(|step| Some(step) == first) {
        return Err(WeakSecret::Counts);
    }
    let wordy = |b: &u8| b.is_ascii_alphabetic() || matches!(b, b' ' | b'-' | b'_' | b'.' | b'\n');
    if secret.iter().all(wordy) || secret.iter().all(|b| b.is_ascii_digit() || b.is_ascii_punctuation()) {
        return Err(WeakSecret::Text);
    }
    let mut seen = [false; 256];
    secret.iter().for_each(|b| seen[usize::from(*b)] = true);
    if seen.iter().filter(|seen| **seen).count() < MIN_DIFFERENT { Err(WeakSecret::FewValues) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as a generator gives them.
    fn drawn(seed: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn random_secrets_of_every_length_pass() {
        for seed in 0..=255 {
            for length in BYTES {
                assert_eq!(check_strength(&drawn(seed, length)), Ok(()), "{seed} {length}");
            }
        }
        let hex = blake3::hash(b"seed").to_hex();
        assert_eq!(check_strength(&hex.as_bytes()[..32]), Ok(()), "128 random bits written in hex are strong");
    }

    #[test]
    fn what_no_generator_draws_is_refused_by_its_weakness() {
        let counting: Vec<u8> = (0..32).collect();
        let mut few = drawn(1, 32);
        few.iter_mut().for_each(|b| *b %= 8);
        for (secret, weakness) in [
            (vec![0; 32], WeakSecret::Repeats),
            (vec![0xff; 24], WeakSecret::Repeats),
            (b"hunter2hunter2hunter2hunt".to_vec(), WeakSecret::Repeats),
            (counting.clone(), WeakSecret::Counts),
            (counting.iter().rev().map(|b| b * 3).collect(), WeakSecret::Counts),
            (few, WeakSecret::FewValues),
            (b"correct horse battery staple".to_vec(), WeakSecret::Text),
            (
                b"2026-11-21 is only a number"
                    .iter()
                    .filter(|b| !b.is_ascii_alphabetic() && **b != b' ')
                    .copied()
                    .chain(*b"31415926535897932384")
                    .collect(),
                WeakSecret::Text,
            ),
            (parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret").to_vec(), WeakSecret::Published),
        ] {
            assert_eq!(check_strength(&secret), Err(weakness), "{secret:?}");
        }
    }

    #[test]
    fn misspelt_secrets_are_refused_without_showing_them() {
        assert_eq!(parse_secret("MfKQ9r8G"), Err(InvalidSecret::Prefix));
        assert_eq!(parse_secret("whsec_!"), Err(InvalidSecret::Base64));
        assert_eq!(parse_secret("whsec_MfKQ9r8G"), Err(InvalidSecret::Length(6)));
        assert_eq!(parse_secret(&secret_text(&[7; 65])), Err(InvalidSecret::Length(65)));
        assert_eq!(parse_secret(&secret_text(&drawn(3, 64))).expect("a secret").as_slice(), drawn(3, 64));
    }
}
