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
    use event_model::catalogue;

    use super::*;

    #[test]
    fn the_bits_say_what_the_filter_says() {
        let filters = ["*", "report.*", "*.snapshot", "report.approved", "card.*"]
            .map(|glob| EventFilter { events: vec![glob.parse().expect("glob")], ..EventFilter::default() });
        let none = EventFilter { accounts: vec!["nobody".parse().expect("name")], ..filters[0].clone() };
        for event_type in EventType::ALL {
            let body = serde_json::to_vec(&catalogue::example(*event_type)).expect("json");
            let head: EventHead = serde_json::from_slice(&body).expect("head");
            for filter in filters.iter().chain([&none]) {
                assert_eq!(
                    wants(of(filter), filter, bit(*event_type), &head),
                    filter.wants(&head),
                    "{event_type:?} {filter:?}"
                );
            }
        }
    }
}
