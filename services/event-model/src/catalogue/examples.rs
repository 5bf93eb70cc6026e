//! An example of each event type: what the log of a small company could hold. Nothing in it is real.
//!
//! Sam reports two expenses, Lee approves; a clerk changes a ledger code; a bank's feed breaks. The events about the report
//! R00AbCdEf123 are one life of it, told in the order of their revisions: the test holds each to the one before it.

mod card;
mod policy;
mod report;
mod service;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    account::AccountName,
    date::UpstreamDate,
    entity::{EntityKind, Subject},
    event::{Data, Detection, Event, EventDraft, TimestampSource},
    event_type::EventType,
    id::{Revision, Sequence},
};

const ACCOUNT: &str = "acme";
const DOMAIN: &str = "acme.example";
const SAM: &str = "sam@acme.example";
const LEE: &str = "lee@acme.example";
const REPORT_ID: &str = "R00AbCdEf123";
const POLICY_ID: &str = "A1B2C3D4E5F60718";
const POLICY_NAME: &str = "Acme US";
const CARD_ID: &str = "5190011";
const BANK: &str = "vcf";

/// From a change to the observation that shows it.
const SEEN_AFTER: SignedDuration = SignedDuration::from_secs(21);
/// From the start of the last read that did not show a change to the change.
const READ_BEFORE: SignedDuration = SignedDuration::from_secs(6);

/// An event of `event_type`: always the same.
pub fn example(event_type: EventType) -> Event {
    match event_type.kind() {
        EntityKind::Report => report::example(event_type),
        EntityKind::Expense => report::expense_example(event_type),
        EntityKind::Policy => policy::example(event_type),
        EntityKind::Card | EntityKind::Feed => card::example(event_type),
        EntityKind::Scope | EntityKind::Account | EntityKind::Subscription => service::example(event_type),
    }
}

/// An event in the making.
struct Told {
    draft: EventDraft,
    sequence: u64,
}

impl Told {
    /// `event_type` about the entity `id` of `kind`, as it is after it; observed at `at`, and dated by that.
    fn new(
        event_type: EventType,
        kind: EntityKind,
        id: &str,
        revision: u64,
        at: &str,
        object: &impl Serialize,
    ) -> Self {
        let observed_at = moment(at);
        let draft = EventDraft {
            event_type,
            timestamp: observed_at,
            account: account(),
            subject: Subject::new(kind, id),
            revision: Revision(revision),
            actor: None,
            data: Data { object: value(object), ..Data::default() },
            detection: Detection {
                observed_at,
                not_before: None,
                inferred: false,
                timestamp_source: TimestampSource::Observation,
            },
        };
        Self { draft, sequence: 0 }
    }

    /// At this position of the log.
    fn at(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    /// Seen not yet by the read before, so a change and no first sight.
    fn news(mut self) -> Self {
        let before = self.draft.detection.observed_at - SEEN_AFTER - READ_BEFORE;
        self.draft.detection.not_before = Some(before);
        self
    }

    /// These paths had these values before.
    fn before(mut self, previous: Value) -> Self {
        self.draft.data.previous = previous.as_object().cloned().unwrap_or_else(Map::new);
        self.draft.data.changed = self.draft.data.previous.keys().cloned().collect();
        self
    }

    /// It happened a little before it was observed, as `source` tells, by `actor`.
    fn dated(mut self, source: TimestampSource, actor: Option<&str>) -> Self {
        self.draft.timestamp = self.draft.detection.observed_at - SEEN_AFTER;
        self.draft.detection.timestamp_source = source;
        self.draft.actor = actor.map(str::to_owned);
        self
    }

    fn event(self) -> Event {
        self.draft.at(Sequence(self.sequence))
    }
}

fn account() -> AccountName {
    ACCOUNT.parse().expect("the constant is an account name")
}

fn moment(text: &str) -> Timestamp {
    text.parse().expect("the examples are dated by constants")
}

fn date(text: &str) -> Option<UpstreamDate> {
    UpstreamDate::parse_blank(text).expect("the examples are dated by constants")
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).expect("entities have text keys and serialise")
}
