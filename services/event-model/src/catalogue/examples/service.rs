//! Events about the watching and the delivering itself.

use serde_json::json;

use super::{ACCOUNT, POLICY_ID, Told, account, moment};
use crate::{
    access::{Access, LossReason, LostScope},
    catalogue::object::{GivenUp, ScopeSnapshot, SubscriptionDisabled, SubscriptionExhausted, SubscriptionHistoryCut},
    entity::EntityKind,
    event::Event,
    event_type::EventType,
    id::Sequence,
    subscription::SubscriptionId,
};

const SCOPE: &str = "reports";

/// An operational event.
pub(super) fn example(event_type: EventType) -> Event {
    match event_type {
        EventType::AccountAccessChanged => {
            let told = Told::new(event_type, EntityKind::Account, ACCOUNT, 1, "2026-04-14T08:00:31Z", &access());
            told.news().at(1091).before(json!({ "lost": [] }))
        }
        EventType::SubscriptionDisabled => {
            let object = SubscriptionDisabled {
                subscription_id: subscription(),
                status: "disabled".to_owned(),
                reason: "the receiver answered 410 Gone".to_owned(),
            };
            about_subscription(event_type, 2, "2026-05-02T00:12:40Z", &object).at(1148)
        }
        EventType::SubscriptionExhausted => {
            about_subscription(event_type, 1, "2026-04-08T13:27:05Z", &exhausted()).at(1079)
        }
        EventType::SubscriptionHistoryCut => {
            let object = SubscriptionHistoryCut {
                subscription_id: subscription(),
                status: "disabled".to_owned(),
                cursor: Sequence(1079),
                horizon: Sequence(1131),
            };
            about_subscription(event_type, 3, "2026-07-16T02:30:00Z", &object).at(1533)
        }
        _ => {
            let object = ScopeSnapshot { scope: SCOPE.to_owned(), entities: 38 };
            Told::new(event_type, EntityKind::Scope, SCOPE, 1, "2026-03-02T07:00:12Z", &object).at(39)
        }
    }
    .event()
}

fn about_subscription(event_type: EventType, revision: u64, at: &str, object: &impl serde::Serialize) -> Told {
    Told::new(event_type, EntityKind::Subscription, subscription().as_str(), revision, at, object)
}

fn access() -> Access {
    let scope = format!("policy/{POLICY_ID}");
    let since = moment("2026-04-14T07:59:48Z");
    let lost = vec![LostScope { scope, reason: LossReason::Role, since, missing: None, of: None }];
    Access { account: account(), lost }
}

fn exhausted() -> SubscriptionExhausted {
    let event = super::example(EventType::ReportReimbursed);
    SubscriptionExhausted {
        subscription_id: subscription(),
        event: GivenUp { id: event.id, event_type: event.event_type, sequence: event.sequence, subject: event.subject },
        attempts: 10,
        outcome: "timeout".to_owned(),
    }
}

fn subscription() -> SubscriptionId {
    SubscriptionId::from_unique("019571f28d4c7b0a9e3f5c6d7e8f9a0b").expect("the constant is made of digits and letters")
}
