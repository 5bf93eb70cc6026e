//! What deliveries are signed with, as a caller brings it or as it is drawn here.

use std::fmt;

use ed25519_dalek::SigningKey;
use event_model::{
    Subscription, SubscriptionId,
    secret::{check_strength, parse_secret, public_key_text, secret_text},
    subscription::Ed25519Key,
};
use event_store::{SealError, Sealer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::fields::{Faults, text};

/// Bytes of a secret that is drawn here: Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// A signing secret in the clear. Its `Debug` form hides it; it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A new one, at random.
    pub fn drawn() -> Self {
        let drawn = Zeroizing::new(rand::random::<[u8; SECRET_BYTES]>());
        Self(Zeroizing::new(drawn.to_vec()))
    }

    /// As receivers take it.
    pub fn text(&self) -> Zeroizing<String> {
        secret_text(&self.0)
    }

    /// As the subscription `id` may keep it.
    pub fn sealed(&self, sealer: &Sealer, id: &SubscriptionId) -> Result<String, SealError> {
        sealer.seal(id.as_str(), &self.0)
    }

    /// Whether the subscription `id` keeps it as `sealed`.
    pub fn is_in(&self, sealer: &Sealer, id: &SubscriptionId, sealed: &str) -> bool {
        sealer.open(id.as_str(), sealed).is_ok_and(|opened| *opened == *self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").finish_non_exhaustive()
    }
}

/// Reads a secret that a caller brings: well formed, and as far as can be seen random. What is refused is not repeated.
pub(crate) fn read(faults: &mut Faults, at: &str, value: Value) -> Option<Secret> {
    let text = Zeroizing::new(text(faults, at, value)?);
    match parse_secret(&text) {
        Err(malformed) => faults.note(at, malformed),
        Ok(secret) => match check_strength(&secret) {
            Err(weak) => faults.note(at, format!("is too weak to sign with: {weak}")),
            Ok(()) => return Some(Secret(secret)),
        },
    }
    None
}

/// A new ed25519 key for the subscription `id`, its seed at random.
pub(crate) fn drawn_ed25519(sealer: &Sealer, id: &SubscriptionId) -> Result<Ed25519Key, SealError> {
    let seed = Zeroizing::new(rand::random::<[u8; 32]>());
    let public = SigningKey::from_bytes(&seed).verifying_key();
    let sealed_seed = sealer.seal(&Subscription::ed25519_place(id), &*seed)?;
    Ok(Ed25519Key { sealed_seed, public_key: public_key_text(public.as_bytes()), until: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::Refusal;

    fn refused(value: Value) -> String {
        let mut faults = Faults::default();
        assert_eq!(read(&mut faults, "/secret", value), None);
        let Err(Refusal::Fields(faults)) = faults.finish() else { panic!("refused") };
        faults[0].detail.clone()
    }

    #[test]
    fn a_weak_or_misspelt_secret_is_refused_without_being_repeated() {
        let zeros = secret_text(&[0; 32]);
        for (text, word) in [
            ("hunter2", "whsec_"),
            ("whsec_hunter2!", "base64"),
            ("whsec_aHVudGVyMg==", "24 to 64"),
            (zeros.as_str(), "repeats"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "manual"),
        ] {
            let why = refused(json!(text));
            assert!(why.contains(word) && !why.contains("hunter2"), "{why}");
        }
        assert!(refused(json!(7)).contains("string"));
    }

    #[test]
    fn a_secret_is_not_shown_by_its_debug_form_and_no_two_are_alike() {
        let (one, other) = (Secret::drawn(), Secret::drawn());
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "Secret(..)");
        assert_eq!(read(&mut Faults::default(), "", json!(*one.text())), Some(one));
    }

    #[test]
    fn an_ed25519_key_is_sealed_in_its_place_and_its_public_half_is_that_of_its_seed() {
        let (sealer, id) = (Sealer::new([7; 32]), SubscriptionId::from_unique("a").expect("an id"));
        let key = drawn_ed25519(&sealer, &id).expect("a key");
        let seed = sealer.open("sub_a/ed25519", &key.sealed_seed).expect("opens");
        let seed: [u8; 32] = seed.as_slice().try_into().expect("32 bytes");
        let public = SigningKey::from_bytes(&seed).verifying_key();
        assert_eq!(event_model::secret::parse_public_key(&key.public_key), Some(*public.as_bytes()));
        assert_eq!(sealer.open("sub_a", &key.sealed_seed), Err(SealError::Refused));
    }
}
