//! Sealing: secrets are encrypted before they are stored.
//!
//! XChaCha20-Poly1305 with a random nonce of 24 bytes: long enough that random ones do not repeat under one key. The
//! associated text (say, `subscription/sub_1/secret`) is authenticated with it, so that a sealed text that is moved to
//! another place does not open there. The form is `v1.` and the base64url of nonce and ciphertext.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

/// Names the form; a later one gets another prefix and this one stays readable.
const FORM: &str = "v1.";
const NONCE_BYTES: usize = 24;

/// Encrypts and authenticates small secrets under one key of 32 bytes. It has no `Debug`: it holds the key.
#[derive(Clone)]
pub struct Sealer {
    key: Zeroizing<[u8; 32]>,
}

/// Why something was not sealed or not opened. It says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text does not begin with a version that this program knows.
    #[error("the sealed text has a form that this version does not know")]
    UnknownForm,
    /// The text is no base64url of at least a nonce and a tag.
    #[error("the sealed text is damaged")]
    Damaged,
    /// Another key, another associated text, or a changed text.
    #[error("the sealed text does not open under this key in this place")]
    Refused,
    /// The system gave no random nonce, or the text is too long for the cipher.
    #[error("could not seal")]
    NotSealed,
}

impl Sealer {
    /// A sealer under `key`.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: Zeroizing::new(key) }
    }

    /// Seals `plain` for the place that `associated` names. Sealing the same twice gives two different texts.
    pub fn seal(&self, associated: &str, plain: &[u8]) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        SysRng.try_fill_bytes(&mut nonce).map_err(|_| SealError::NotSealed)?;
        let payload = Payload { msg: plain, aad: associated.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::NotSealed)?;
        Ok(format!("{FORM}{}", URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what [`Self::seal`] made for the same place; the answer is wiped from memory when it is dropped.
    pub fn open(&self, associated: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let text = sealed.strip_prefix(FORM).ok_or(SealError::UnknownForm)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Damaged)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Damaged)?;
        let payload = Payload { msg: sealed, aad: associated.as_bytes() };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Refused)?;
        Ok(Zeroizing::new(plain))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "subscription/sub_1/secret";

    #[test]
    fn what_was_sealed_opens_in_its_place_under_its_key_and_nowhere_else() {
        let sealer = Sealer::new([7; 32]);
        let sealed = sealer.seal(PLACE, b"whsec").expect("sealed");
        assert!(sealed.starts_with("v1."));
        assert_eq!(sealer.open(PLACE, &sealed).expect("opens").as_slice(), b"whsec");
        assert_eq!(sealer.open("subscription/sub_2/secret", &sealed), Err(SealError::Refused));
        assert_eq!(Sealer::new([8; 32]).open(PLACE, &sealed), Err(SealError::Refused));
    }

    #[test]
    fn no_two_sealed_texts_are_equal_and_none_shows_what_is_in_it() {
        let sealer = Sealer::new([7; 32]);
        let texts: Vec<_> = (0..100).map(|_| sealer.seal(PLACE, b"same").expect("sealed")).collect();
        let different: std::collections::HashSet<_> = texts.iter().collect();
        assert_eq!(different.len(), texts.len());
        assert!(!texts[0].contains(&URL_SAFE_NO_PAD.encode(b"same")));
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let sealer = Sealer::new([7; 32]);
        let sealed = sealer.seal(PLACE, b"secret").expect("sealed");
        let bytes = URL_SAFE_NO_PAD.decode(&sealed[FORM.len()..]).expect("base64url");
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = format!("{FORM}{}", URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(sealer.open(PLACE, &changed), Err(SealError::Refused), "byte {index}");
        }
    }

    #[test]
    fn texts_that_were_never_sealed_are_told_apart() {
        let sealer = Sealer::new([7; 32]);
        assert_eq!(sealer.open(PLACE, "v9.AAAA"), Err(SealError::UnknownForm));
        assert_eq!(sealer.open(PLACE, "v1.AAAA"), Err(SealError::Damaged));
        assert_eq!(sealer.open(PLACE, "v1.***"), Err(SealError::Damaged));
    }

    #[test]
    fn a_text_sealed_by_the_first_release_opens_for_ever() {
        // Made by an independent XChaCha20-Poly1305 that agrees with A.3.1 of draft-irtf-cfrg-xchacha; the nonce is 0
        // to 23.
        let sealer = Sealer::new([7; 32]);
        assert_eq!(sealer.open("place", FIXTURE).expect("opens").as_slice(), b"a secret");
    }

    const FIXTURE: &str = "v1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXyTfY4JluPtFGfoJUfVyH9ws7IeoUy6za";
}
