//! Sealing: secrets are encrypted before they are stored.
//!
//! XChaCha20-Poly1305 with a random nonce of 24 bytes: long enough that random ones do not repeat under one key. The
//! associated text (say, `subscription/sub_1/secret`) is authenticated with it, so that a sealed text that is moved to
//! another place does not open there. The form is `v1.` and the base64url of nonce and ciphertext.
//!
//! The key can be changed: a sealer seals under its newest key and opens under older ones too, until [`Sealer::resealed`] has
//! put every text under the newest and the older keys are thrown away. Which key a text is under is found by trying, which the
//! authentication makes safe; there are never more than a few. Keys, cipher states and opened texts are wiped when dropped.

use std::sync::Arc;

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

type Key = Zeroizing<[u8; 32]>;

/// Encrypts and authenticates small secrets under keys of 32 bytes. It has no `Debug`: it holds the keys, which its clones
/// share.
#[derive(Clone)]
pub struct Sealer {
    newest: Arc<Key>,
    older: Arc<[Key]>,
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
    #[error("the sealed text does not open under this service's keys in this place")]
    Refused,
    /// The system gave no random nonce, or the text is too long for the cipher.
    #[error("could not seal")]
    NotSealed,
}

impl Sealer {
    /// A sealer under `key`.
    pub fn new(key: [u8; 32]) -> Self {
        Self::with_older(Zeroizing::new(key), Vec::new())
    }

    /// A sealer under `newest` that opens what was sealed under one of `older` too.
    pub fn with_older(newest: Zeroizing<[u8; 32]>, older: Vec<Zeroizing<[u8; 32]>>) -> Self {
        Self { newest: Arc::new(newest), older: older.into() }
    }

    /// Seals `plain` for the place that `associated` names. Sealing the same twice gives two different texts.
    pub fn seal(&self, associated: &str, plain: &[u8]) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        SysRng.try_fill_bytes(&mut nonce).map_err(|_| SealError::NotSealed)?;
        let payload = Payload { msg: plain, aad: associated.as_bytes() };
        let sealed = cipher(&self.newest).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::NotSealed)?;
        Ok(format!("{FORM}{}", URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what [`Self::seal`] made for the same place; the answer is wiped from memory when it is dropped.
    pub fn open(&self, associated: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let sealed = Sealed::read(sealed)?;
        let opened = sealed.open(&self.newest, associated);
        let opened = opened.or_else(|| self.older.iter().find_map(|key| sealed.open(key, associated)));
        opened.ok_or(SealError::Refused)
    }

    /// The same text under the newest key; `None` for one that is under it already.
    pub fn resealed(&self, associated: &str, sealed: &str) -> Result<Option<String>, SealError> {
        if Sealed::read(sealed)?.open(&self.newest, associated).is_some() {
            return Ok(None);
        }
        self.seal(associated, &self.open(associated, sealed)?).map(Some)
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&**key).into())
}

/// A sealed text, taken apart.
struct Sealed {
    nonce: [u8; NONCE_BYTES],
    body: Vec<u8>,
}

impl Sealed {
    fn read(text: &str) -> Result<Self, SealError> {
        let text = text.strip_prefix(FORM).ok_or(SealError::UnknownForm)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Damaged)?;
        let nonce = *bytes.first_chunk::<NONCE_BYTES>().ok_or(SealError::Damaged)?;
        Ok(Self { nonce, body: bytes.split_off(NONCE_BYTES) })
    }

    fn open(&self, key: &Key, associated: &str) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: &self.body, aad: associated.as_bytes() };
        cipher(key).decrypt(&XNonce::from(self.nonce), payload).ok().map(Zeroizing::new)
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
    fn a_new_key_seals_while_older_ones_open_until_all_is_resealed() {
        let [first, second, third] = [1, 2, 3].map(|byte| Zeroizing::new([byte; 32]));
        let old = Sealer::new(*first).seal(PLACE, b"secret").expect("sealed");
        let rotated = Sealer::with_older(third.clone(), vec![second.clone(), first.clone()]);
        assert_eq!(rotated.open(PLACE, &old).expect("opens").as_slice(), b"secret");
        assert_eq!(rotated.open("elsewhere", &old), Err(SealError::Refused), "an older key opens in its place alone");

        let new = rotated.resealed(PLACE, &old).expect("resealed").expect("another text");
        assert_eq!(rotated.resealed(PLACE, &new), Ok(None), "once is enough");
        let alone = Sealer::new(*third);
        assert_eq!(alone.open(PLACE, &new).expect("opens").as_slice(), b"secret");
        assert_eq!(alone.open(PLACE, &old), Err(SealError::Refused));
        assert_eq!(Sealer::new(*second).resealed(PLACE, &old), Err(SealError::Refused));
        assert_eq!(Sealer::new(*first).open(PLACE, &new), Err(SealError::Refused), "it seals under the newest only");
    }

    #[test]
    fn keys_and_cipher_states_are_wiped_when_dropped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<XChaCha20Poly1305>();
        wiped::<Key>();
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
