//! What a subscription's deliveries are signed with, and how one secret takes another's place.
//!
//! A receiver cannot change its secret in the same moment as the service. So a secret that is replaced goes on signing for an
//! overlap, beside the new one; a receiver accepts a delivery when one of its signatures fits. An overlap bounds every
//! earlier secret: with none, whatever leaked signs nothing from then on, also if an earlier rotation had allowed it longer.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Subscription, SubscriptionId};

/// A signing secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiringSecret {
    /// Sealed as in [`Subscription::sealed_secrets`].
    pub sealed: String,
    /// It signs until then.
    pub until: Timestamp,
}

/// A key of the signatures `v1a`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ed25519Key {
    /// The seed (RFC 8032, section 5.1.5), sealed with [`Subscription::ed25519_place`] as associated data.
    pub sealed_seed: String,
    /// The public key as receivers take it: `whpk_` and base64.
    pub public_key: String,
    /// It signs until then; `None` for the one that stands.
    pub until: Option<Timestamp>,
}

impl Subscription {
    /// What a sealed seed of the subscription `id` is bound to: it opens nowhere else.
    pub fn ed25519_place(id: &SubscriptionId) -> String {
        format!("{id}/ed25519")
    }

    /// The sealed secrets that sign at `now`, newest first.
    pub fn secrets_at(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let retiring = self.retiring_secrets.iter().filter(move |one| one.until > now).map(|one| &one.sealed);
        self.sealed_secrets.iter().chain(retiring).map(String::as_str)
    }

    /// The ed25519 keys that sign at `now`, newest first.
    pub fn ed25519_keys_at(&self, now: Timestamp) -> impl Iterator<Item = &Ed25519Key> {
        self.ed25519_keys.iter().filter(move |key| key.until.is_none_or(|until| until > now))
    }

    /// Puts `sealed` in the place of the secrets that stand. Each earlier one signs for `overlap` more at the most.
    pub fn rotate_secret(&mut self, sealed: String, now: Timestamp, overlap: SignedDuration) {
        let end = end(now, overlap);
        let replaced = std::mem::replace(&mut self.sealed_secrets, vec![sealed]);
        let replaced = replaced.into_iter().map(|sealed| RetiringSecret { sealed, until: end });
        let before = std::mem::take(&mut self.retiring_secrets);
        let before = before.into_iter().map(|one| RetiringSecret { until: one.until.min(end), ..one });
        self.retiring_secrets = replaced.chain(before).filter(|one| one.until > now).collect();
    }

    /// The same for the ed25519 keys.
    pub fn rotate_ed25519(&mut self, new: Ed25519Key, now: Timestamp, overlap: SignedDuration) {
        let end = end(now, overlap);
        let before = std::mem::take(&mut self.ed25519_keys).into_iter();
        let before = before.map(|key| Ed25519Key { until: Some(key.until.map_or(end, |until| until.min(end))), ..key });
        let before = before.filter(|key| key.until.is_none_or(|until| until > now));
        self.ed25519_keys = std::iter::once(new).chain(before).collect();
    }

    /// Gives each sealed text that it holds, with what the text is bound to, to `visit`, which may put another in its place.
    pub fn each_sealed<E>(&mut self, mut visit: impl FnMut(&str, &mut String) -> Result<(), E>) -> Result<(), E> {
        for sealed in &mut self.sealed_secrets {
            visit(self.id.as_str(), sealed)?;
        }
        for secret in &mut self.retiring_secrets {
            visit(self.id.as_str(), &mut secret.sealed)?;
        }
        for key in &mut self.ed25519_keys {
            visit(&Self::ed25519_place(&self.id), &mut key.sealed_seed)?;
        }
        for (name, sealed) in &mut self.sealed_headers {
            visit(&Self::header_place(&self.id, name), sealed)?;
        }
        Ok(())
    }
}

/// A clock near the end of time stands still; nothing else can fail.
fn end(now: Timestamp, overlap: SignedDuration) -> Timestamp {
    now.checked_add(overlap).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first release stored it.
    const OLD: &str = r#"{"id":"sub_1","url":"https://a.example/","filter":{"events":["*"],"accounts":[],"policies":[]},"format":"standard","ordering":"entity","rate_per_s":null,"sealed_headers":{"x-a":"h"},"description":null,"status":{"state":"active"},"start_after":0,"sealed_secrets":["one"],"created_at":"2026-04-02T09:14:00Z","updated_at":"2026-04-02T09:14:00Z"}"#;
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn old() -> Subscription {
        serde_json::from_str(OLD).expect("a subscription")
    }

    fn at(hours: i64) -> Timestamp {
        "2026-04-02T00:00:00Z".parse::<Timestamp>().expect("a time") + HOUR * hours.try_into().expect("few")
    }

    fn signing(subscription: &Subscription, hours: i64) -> Vec<&str> {
        subscription.secrets_at(at(hours)).collect()
    }

    #[test]
    fn a_record_of_before_there_was_rotation_reads_and_signs_as_it_did() {
        let read = old();
        assert_eq!(signing(&read, 0), ["one"]);
        assert_eq!((read.ed25519_keys_at(at(0)).count(), read.challenge), (0, false));
    }

    #[test]
    fn a_replaced_secret_signs_to_the_end_of_the_overlap_and_not_beyond() {
        let mut rotated = old();
        rotated.rotate_secret("two".to_owned(), at(0), HOUR * 24);
        assert_eq!(signing(&rotated, 23), ["two", "one"]);
        assert_eq!(signing(&rotated, 24), ["two"]);
    }

    #[test]
    fn several_overlap_and_a_shorter_overlap_bounds_them_all() {
        let mut rotated = old();
        rotated.rotate_secret("two".to_owned(), at(0), HOUR * 48);
        rotated.rotate_secret("three".to_owned(), at(1), HOUR * 24);
        assert_eq!(signing(&rotated, 2), ["three", "two", "one"]);
        assert_eq!(signing(&rotated, 26), ["three"]);
        rotated.rotate_secret("four".to_owned(), at(3), SignedDuration::ZERO);
        assert_eq!(signing(&rotated, 3), ["four"]);
        assert!(rotated.retiring_secrets.is_empty(), "what signs no more is not kept");
    }

    #[test]
    fn ed25519_keys_rotate_alike() {
        let key = |name: &str| Ed25519Key { sealed_seed: name.to_owned(), public_key: name.to_owned(), until: None };
        let mut rotated = old();
        for (hour, name) in [(0, "a"), (1, "b"), (2, "c")] {
            rotated.rotate_ed25519(key(name), at(hour), HOUR * 2);
        }
        let keys = |hours| rotated.ed25519_keys_at(at(hours)).map(|key| key.public_key.as_str()).collect::<Vec<_>>();
        assert_eq!((keys(2), keys(3), keys(4)), (vec!["c", "b", "a"], vec!["c", "b"], vec!["c"]));
    }

    #[test]
    fn every_sealed_text_is_met_in_its_place() {
        let mut all = old();
        all.rotate_secret("two".to_owned(), at(0), HOUR);
        all.rotate_ed25519(
            Ed25519Key { sealed_seed: "seed".to_owned(), public_key: "p".to_owned(), until: None },
            at(0),
            HOUR,
        );
        let mut met = Vec::new();
        let noted = all.each_sealed(|place, sealed| {
            met.push((place.to_owned(), std::mem::take(sealed)));
            Ok::<_, ()>(())
        });
        assert_eq!(noted, Ok(()));
        let wanted = [("sub_1", "two"), ("sub_1", "one"), ("sub_1/ed25519", "seed"), ("sub_1/header/x-a", "h")];
        assert_eq!(met, wanted.map(|(place, sealed)| (place.to_owned(), sealed.to_owned())));
        let text = serde_json::to_string(&all).expect("json");
        assert!(
            ![r#""two""#, r#""one""#, r#""seed""#, r#""h""#].iter().any(|sealed| text.contains(sealed)),
            "none was left out: {text}"
        );
    }
}
