//! The event: the record in the log and, byte for byte, the body that subscribers receive.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    account::AccountName,
    entity::Subject,
    event_type::EventType,
    id::{EventId, Revision, Sequence},
};

/// An immutable record of the log. Its JSON is built once, when it is appended; those bytes are stored, signed and sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The deterministic id; the `webhook-id` of every attempt.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// When it happened as far as the upstream says, else when it was observed.
    pub timestamp: Timestamp,
    /// Position in the log: the cursor.
    pub sequence: Sequence,
    /// The account it was seen through.
    pub account: AccountName,
    /// The entity, as `kind/id`.
    pub subject: Subject,
    /// The entity's own counter.
    pub revision: Revision,
    /// Who did it (an email), where the upstream's history says so.
    #[serde(default)]
    pub actor: Option<String>,
    /// Before and after.
    pub data: Data,
    /// How it was noticed.
    pub detection: Detection,
}

/// What an event says of its entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// The whole entity after the event; for a removal, as last known.
    pub object: Value,
    /// For each path in `changed`, the value before; `null` where there was none. Empty for a first sight.
    pub previous: Map<String, Value>,
    /// The paths that differ, sorted; list items by key, as in `expenses[4056343049275634494].amount`.
    pub changed: Vec<String>,
}

/// When and how a change was noticed. The change lies between `not_before` and `observed_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detection {
    /// When the answer that showed it was there.
    pub observed_at: Timestamp,
    /// Start of the last read of the scope that did not show it; `null` at first sight.
    pub not_before: Option<Timestamp>,
    /// Not seen itself, but implied by what was seen before and after.
    pub inferred: bool,
    /// Where the event's `timestamp` comes from.
    #[serde(default)]
    pub timestamp_source: TimestampSource,
}

/// Where an event's `timestamp` comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimestampSource {
    /// The upstream's history of the entity: when the step was taken.
    History,
    /// A date that the entity itself carries. Of a day alone it is the moment of that day nearest to the observation.
    Object,
    /// Nothing tells; it is when the change was observed.
    #[default]
    Observation,
}

/// An event that has no place in the log yet.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDraft {
    /// See [`Event::event_type`].
    pub event_type: EventType,
    /// See [`Event::timestamp`].
    pub timestamp: Timestamp,
    /// See [`Event::account`].
    pub account: AccountName,
    /// See [`Event::subject`].
    pub subject: Subject,
    /// Must be one more than the entity's revision in the log; the store refuses anything else.
    pub revision: Revision,
    /// See [`Event::actor`].
    pub actor: Option<String>,
    /// See [`Event::data`].
    pub data: Data,
    /// See [`Event::detection`].
    pub detection: Detection,
}

impl EventDraft {
    /// The event that this becomes at `sequence`; its id follows from account, subject, revision and type.
    pub fn at(self, sequence: Sequence) -> Event {
        Event {
            id: EventId::derive(&self.account, &self.subject, self.revision, self.event_type),
            event_type: self.event_type,
            timestamp: self.timestamp,
            sequence,
            account: self.account,
            subject: self.subject,
            revision: self.revision,
            actor: self.actor,
            data: self.data,
            detection: self.detection,
        }
    }
}

/// The part of an event that filters and cursors look at, read from its JSON without building the rest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EventHead {
    /// See [`Event::id`].
    pub id: EventId,
    /// See [`Event::event_type`].
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// See [`Event::timestamp`].
    pub timestamp: Timestamp,
    /// See [`Event::sequence`].
    pub sequence: Sequence,
    /// See [`Event::account`].
    pub account: AccountName,
    /// See [`Event::subject`].
    pub subject: Subject,
    /// See [`Event::revision`].
    pub revision: Revision,
    data: HeadData,
    detection: HeadDetection,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct HeadData {
    object: HeadObject,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct HeadObject {
    #[serde(rename = "policyID")]
    policy_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct HeadDetection {
    observed_at: Timestamp,
}

impl EventHead {
    /// The policy that the entity belongs to (`data.object.policyID`): of a report or a policy; none for the rest.
    pub fn policy_id(&self) -> Option<&str> {
        self.data.object.policy_id.as_deref()
    }

    /// See [`Detection::observed_at`].
    pub fn observed_at(&self) -> Timestamp {
        self.detection.observed_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"id":"evt_7k2m","type":"report.approved","timestamp":"2026-04-02T09:14:00Z","sequence":1042,"account":"acme","subject":"report/R00AbCdEf123","revision":7,"actor":"lee@acme.example","data":{"object":{"policyID":"A1","state":"APPROVED"},"previous":{"state":"SUBMITTED"},"changed":["state"]},"detection":{"observed_at":"2026-04-02T09:14:21Z","not_before":"2026-04-02T09:14:15Z","inferred":false,"timestamp_source":"history"}}"#;

    #[test]
    fn the_wire_form_is_that_of_the_design_and_reads_back() {
        let event: Event = serde_json::from_str(BODY).expect("an event");
        assert_eq!(serde_json::to_string(&event).expect("json"), BODY);
    }

    #[test]
    fn an_event_of_before_there_were_actors_reads_as_one_without() {
        let old = BODY.replace(r#""actor":"lee@acme.example","#, "").replace(r#","timestamp_source":"history""#, "");
        let event: Event = serde_json::from_str(&old).expect("an event");
        assert_eq!((event.actor, event.detection.timestamp_source), (None, TimestampSource::Observation));
    }

    #[test]
    fn a_head_is_read_from_the_body_alone() {
        let head: EventHead = serde_json::from_str(BODY).expect("a head");
        assert_eq!(head.sequence, Sequence(1042));
        assert_eq!(head.policy_id(), Some("A1"));
        assert_eq!(head.observed_at().to_string(), "2026-04-02T09:14:21Z");
    }
}
