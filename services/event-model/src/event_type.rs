//! The catalogue of event types.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::entity::EntityKind;

/// A text that names no event type of the catalogue.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an event type")]
pub struct UnknownEventType(pub String);

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident = $name:literal ($kind:ident),)*) => {
        /// The type of an event: `<kind>.<what happened>`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind of entity that events of this type are about.
            pub const fn kind(self) -> EntityKind {
                match self { $(Self::$variant => EntityKind::$kind,)* }
            }
        }
    };
}

catalogue! {
    /// A report as it was at first sight of its scope.
    ReportSnapshot = "report.snapshot" (Report),
    /// A report came into being.
    ReportCreated = "report.created" (Report),
    /// A report was submitted for approval.
    ReportSubmitted = "report.submitted" (Report),
    /// A report was finally approved.
    ReportApproved = "report.approved" (Report),
    /// A report was reimbursed, or its reimbursement began.
    ReportReimbursed = "report.reimbursed" (Report),
    /// A report was closed without payment.
    ReportArchived = "report.archived" (Report),
    /// A report went back to its author.
    ReportReopened = "report.reopened" (Report),
    /// An approval was taken back.
    ReportUnapproved = "report.unapproved" (Report),
    /// A reimbursement was taken back or bounced.
    ReportReimbursementReverted = "report.reimbursement_reverted" (Report),
    /// A report changed in something other than its lifecycle.
    ReportUpdated = "report.updated" (Report),
    /// A report is gone: missing from a read that had to show it, then from two reads by its id.
    ReportRemoved = "report.removed" (Report),
    /// An expense came onto a report.
    ExpenseAdded = "expense.added" (Expense),
    /// A line of a report changed.
    ExpenseUpdated = "expense.updated" (Expense),
    /// An expense is on no report any more that can be seen.
    ExpenseRemoved = "expense.removed" (Expense),
    /// A policy as it was at first sight of its scope.
    PolicySnapshot = "policy.snapshot" (Policy),
    /// A policy came into being, or into sight.
    PolicyCreated = "policy.created" (Policy),
    /// A policy changed; `changed` says where.
    PolicyChanged = "policy.changed" (Policy),
    /// A policy is gone from the list, confirmed by a second complete read.
    PolicyRemoved = "policy.removed" (Policy),
    /// A card as it was at first sight of its scope.
    CardSnapshot = "card.snapshot" (Card),
    /// A card was added.
    CardAdded = "card.added" (Card),
    /// A card changed in something other than its feed's running.
    CardChanged = "card.changed" (Card),
    /// A card is gone from the list, confirmed by a second complete read.
    CardRemoved = "card.removed" (Card),
    /// The feed of a card, or of most cards of a bank (then the subject is the feed), stopped working.
    CardFeedFailed = "card.feed_failed" (Card),
    /// It works again.
    CardFeedRecovered = "card.feed_recovered" (Card),
    /// The credential lost or regained sight of a part of the account. What is out of sight is frozen, not removed.
    AccountAccessChanged = "account.access_changed" (Account),
    /// The first sight of a scope is complete: from here on its entities come into being by events.
    ScopeSnapshot = "scope.snapshot" (Scope),
    /// A subscription was disabled; its cursor stands.
    SubscriptionDisabled = "subscription.disabled" (Subscription),
    /// A delivery was given up after its last retry: a dead letter.
    SubscriptionExhausted = "subscription.exhausted" (Subscription),
    /// Retention removed events that a subscription had not read yet. What is left of them is the last one of each entity.
    SubscriptionHistoryCut = "subscription.history_cut" (Subscription),
}

impl EventType {
    /// A first sight (`*.snapshot`): state, not news. Subscriptions skip these unless they name them.
    pub const fn is_snapshot(self) -> bool {
        matches!(self, Self::ReportSnapshot | Self::PolicySnapshot | Self::CardSnapshot | Self::ScopeSnapshot)
    }

    /// The event says that its entity is gone.
    pub const fn removes(self) -> bool {
        matches!(self, Self::ReportRemoved | Self::ExpenseRemoved | Self::PolicyRemoved | Self::CardRemoved)
    }
}

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|t| t.as_str() == text).ok_or_else(|| UnknownEventType(text.to_owned()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_and_begins_with_its_kind() {
        for event_type in EventType::ALL {
            assert_eq!(event_type.as_str().parse::<EventType>().expect("known"), *event_type);
            assert!(event_type.as_str().starts_with(event_type.kind().as_str()));
            assert_eq!(event_type.is_snapshot(), event_type.as_str().ends_with(".snapshot"));
            assert_eq!(event_type.removes(), event_type.as_str().ends_with(".removed"));
        }
    }
}
