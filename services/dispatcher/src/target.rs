//! Where and how one subscription is delivered to, and what signs for it.
//!
//! Opening a secret costs more than signing with it. So what was opened stays open from the first attempt that needs it until
//! the courier has nothing in flight ([`Target::forget`]), and is wiped then. A subscription to which nothing goes has its
//! secrets nowhere but sealed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ed25519_dalek::SigningKey;
use event_model::{EventId, Subscription};
use event_store::{SealError, Sealer};
use hmac::Hmac;
use jiff::Timestamp;
use sha2::Sha256;

use crate::{signature, wire::Place};

/// See the module's head.
pub(crate) struct Target {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) place: Option<Place>,
    signers: Mutex<Option<Arc<Signers>>>,
}

/// The opened secrets and keys that sign from `from` on, up to `until`. Each is wiped when dropped.
struct Signers {
    from: Timestamp,
    until: Timestamp,
    secrets: Vec<Hmac<Sha256>>,
    keys: Vec<SigningKey>,
}

impl Target {
    pub(crate) fn of(subscription: &Arc<Subscription>) -> Self {
        let (place, subscription) = (Place::of(&subscription.url), Arc::clone(subscription));
        Self { subscription, place, signers: Mutex::default() }
    }

    /// One signature per secret and key that signs at `at`.
    ///
    /// # Errors
    /// When a secret or a key does not open.
    pub(crate) fn signatures(
        &self,
        sealer: &Sealer,
        id: &EventId,
        at: Timestamp,
        body: &[u8],
    ) -> Result<Vec<String>, SealError> {
        let (signers, id, at_s) = (self.signers_at(sealer, at)?, id.as_str(), at.as_second());
        let by_secret = signers.secrets.iter().map(|mac| signature::sign_keyed(mac.clone(), id, at_s, body));
        let by_key = signers.keys.iter().map(|key| signature::sign_with(key, id, at_s, body));
        Ok(by_secret.chain(by_key).collect())
    }

    /// Wipes what was opened. What is sent later opens it anew.
    pub(crate) fn forget(&self) {
        *self.signers() = None;
    }

    fn signers_at(&self, sealer: &Sealer, at: Timestamp) -> Result<Arc<Signers>, SealError> {
        let mut signers = self.signers();
        if let Some(open) = signers.as_ref().filter(|open| (open.from..open.until).contains(&at)) {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(Signers::open(&self.subscription, sealer, at)?);
        *signers = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn signers(&self) -> MutexGuard<'_, Option<Arc<Signers>>> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signers {
    fn open(subscription: &Subscription, sealer: &Sealer, at: Timestamp) -> Result<Self, SealError> {
        let mut secrets = Vec::new();
        for sealed in subscription.secrets_at(at) {
            secrets.push(signature::keyed(&sealer.open(subscription.id.as_str(), sealed)?));
        }
        let mut keys = Vec::new();
        for key in subscription.ed25519_keys_at(at) {
            let seed = sealer.open(&Subscription::ed25519_place(&subscription.id), &key.sealed_seed)?;
            keys.push(SigningKey::from_bytes(seed.as_slice().try_into().map_err(|_| SealError::Damaged)?));
        }
        // What retires ends this set: without it another one signs.
        let secrets_end = subscription.retiring_secrets.iter().map(|one| one.until);
        let ends = secrets_end.chain(subscription.ed25519_keys.iter().filter_map(|key| key.until));
        let until = ends.filter(|until| *until > at).min().unwrap_or(Timestamp::MAX);
        Ok(Self { from: at, until, secrets, keys })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BODY: &[u8] = b"{}";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    /// A target with one secret, one that retires at second 100, and a key that signs up to second 200.
    fn target(sealer: &Sealer) -> Target {
        let seal = |place: &str, byte: u8| sealer.seal(place, &[byte; 32]).expect("sealed");
        let mut stored = json!({
            "id": "sub_1", "url": "https://a.example", "filter": { "events": ["*"] }, "format": "standard",
            "ordering": "entity", "rate_per_s": null, "sealed_headers": {}, "description": null,
            "status": { "state": "active" }, "start_after": 0, "sealed_secrets": [seal("sub_1", 1)],
            "retiring_secrets": [{ "sealed": seal("sub_1", 2), "until": at(100) }],
            "created_at": at(0), "updated_at": at(0),
        });
        let place = Subscription::ed25519_place(&"sub_1".parse().expect("id"));
        stored["ed25519_keys"] = json!([{ "sealed_seed": seal(&place, 3), "public_key": "", "until": at(200) }]);
        Target::of(&Arc::new(serde_json::from_value(stored).expect("a subscription")))
    }

    fn expected(second: i64) -> Vec<String> {
        let secrets = if second < 100 { &[1, 2][..] } else { &[1] };
        let mut all: Vec<_> = secrets.iter().map(|byte| signature::sign(&[*byte; 32], "evt_1", second, BODY)).collect();
        if second < 200 {
            all.extend(signature::sign_ed25519(&[3; 32], "evt_1", second, BODY));
        }
        all
    }

    #[test]
    fn each_signature_is_of_what_signs_then_though_it_was_opened_before() {
        let sealer = Sealer::new([7; 32]);
        let (target, id) = (target(&sealer), "evt_1".parse().expect("id"));
        for second in [1, 2, 99, 100, 150, 199, 200, 5_000, 3] {
            let made = target.signatures(&sealer, &id, at(second), BODY).expect("signed");
            assert_eq!(made, expected(second), "at second {second}");
        }
    }

    #[test]
    fn what_was_opened_stays_so_until_it_is_to_be_forgotten() {
        let sealer = Sealer::new([7; 32]);
        let (target, id) = (target(&sealer), "evt_1".parse().expect("id"));
        let another = Sealer::new([8; 32]);
        assert!(target.signatures(&another, &id, at(1), BODY).is_err());
        assert!(target.signatures(&sealer, &id, at(1), BODY).is_ok());
        assert!(target.signatures(&another, &id, at(2), BODY).is_ok(), "nothing is opened");
        target.forget();
        assert!(target.signatures(&another, &id, at(2), BODY).is_err());
    }
}
