//! Whether a subscription wants an event, told by a bit in nearly all cases.

use event_model::{EventFilter, EventType, Subscription};

const _: () = assert!(EventType::ALL.len() <= 64, "a type has a bit of a u64");

/// The bit of this type.
pub(super) fn bit(event_type: EventType) -> u64 {
    EventType::ALL.iter().position(|known| *known == event_type).map_or(0, |position| 1 << position)
}

/// The bits of the types that `filter` asks for.
pub(super) fn of(filter: &EventFilter) -> u64 {
    let asked = EventType::ALL.iter().filter(|known| filter.events.iter().any(|glob| glob.asks_for(**known)));
    asked.fold(0, |bits, known| bits | bit(*known))
}

/// Whether `subscription` wants every event of the types that it names: then the bit alone tells.
pub(super) fn is_all_of_its_types(subscription: &Subscription) -> bool {
    let filter = &subscription.filter;
    let sees_all = subscription.owner.as_ref().is_none_or(|owner| owner.reach.is_everything());
    sees_all && filter.accounts.is_empty() && filter.policies.is_empty()
}

#[cfg(test)]
mod tests {
    use event_model::{Allowed, EventHead, Reach, catalogue};
    use serde_json::json;

    use super::*;

    fn subscription(glob: &str, accounts: &[&str], owner: Option<Reach>) -> Subscription {
        let owner = owner.map(|reach| json!({ "key": "key_1", "reach": reach }));
        serde_json::from_value(json!({
            "id": "sub_1", "url": "https://a.example", "filter": { "events": [glob], "accounts": accounts },
            "format": "standard", "ordering": "entity", "rate_per_s": null, "sealed_headers": {}, "description": null,
            "status": { "state": "active" }, "start_after": 0, "sealed_secrets": [], "owner": owner,
            "created_at": "2026-04-02T09:14:00Z", "updated_at": "2026-04-02T09:14:00Z",
        }))
        .expect("a subscription")
    }

    #[test]
    fn the_bits_say_what_the_subscription_says() {
        let policies = Allowed::Only(["P9".to_owned()].into());
        let narrow = Reach { policies, ..Reach::everything() };
        let mut wanted = 0;
        for owner in [None, Some(Reach::everything()), Some(narrow), Some(Reach::default())] {
            for glob in ["*", "report.*", "*.snapshot", "report.approved", "subscription.*"] {
                for accounts in [&[][..], &["nobody"]] {
                    let subscription = subscription(glob, accounts, owner.clone());
                    for event_type in EventType::ALL {
                        let body = serde_json::to_vec(&catalogue::example(*event_type)).expect("json");
                        let head: EventHead = serde_json::from_slice(&body).expect("head");
                        let named = of(&subscription.filter) & bit(*event_type) != 0;
                        let told = named && (is_all_of_its_types(&subscription) || subscription.wants(&head, None));
                        assert_eq!(told, subscription.wants(&head, None), "{event_type:?} {subscription:?}");
                        wanted += usize::from(told);
                    }
                }
            }
        }
        assert!(wanted > 0);
    }
}
