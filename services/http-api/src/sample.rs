//! The event of a test delivery: the catalogue's example of its type, marked as a test, and not in the log.

use event_model::{AccountName, Event, EventFilter, EventId, EventType, Revision, Sequence, catalogue, id::InvalidId};
use jiff::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
struct TestEvent {
    #[serde(flatten)]
    event: Event,
    /// What tells it from an event that happened.
    test: bool,
}

/// The id and the body of a test event that `filter` wants, of the account it names first, else of `account`; `unique`
/// (of `a-z 0-9`) makes the id.
pub(crate) fn test_event(
    filter: &EventFilter,
    account: Option<&AccountName>,
    unique: &str,
    now: Timestamp,
) -> Result<(EventId, String), TestEventError> {
    let id: EventId = format!("evt_test{unique}").parse()?;
    let mut event = catalogue::example(wanted_type(filter));
    event.id = id.clone();
    if let Some(account) = filter.accounts.first().or(account) {
        event.account = account.clone();
    }
    // Before the first event, and of no revision: a test has no place in the log.
    (event.sequence, event.revision) = (Sequence::START, Revision(0));
    (event.timestamp, event.detection.observed_at) = (now, now);
    event.detection.not_before = None;
    Ok((id, serde_json::to_string(&TestEvent { event, test: true })?))
}

/// Why no test event could be made. None can happen with what this crate passes in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestEventError {
    #[error("the id does not fit")]
    Id(#[from] InvalidId),
    #[error("the event does not go into JSON")]
    Json(#[from] serde_json::Error),
}

/// A type that the subscriber asked for: news before snapshots.
fn wanted_type(filter: &EventFilter) -> EventType {
    let asked = |event_type: &&EventType| filter.events.iter().any(|glob| glob.asks_for(**event_type));
    let mut wanted = EventType::ALL.iter().filter(asked);
    let first = wanted.clone().next().copied();
    wanted.find(|event_type| !event_type.is_snapshot()).copied().or(first).unwrap_or(EventType::ReportApproved)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn made(glob: &str) -> Value {
        let filter = EventFilter { events: vec![glob.parse().expect("a glob")], ..EventFilter::default() };
        let account = "beta".parse().expect("a name");
        let now = "2026-11-02T09:14:00Z".parse().expect("a time");
        let (id, body) = test_event(&filter, Some(&account), "0a1b", now).expect("made");
        let event: Value = body.parse().expect("json");
        assert_eq!((id.as_str(), &event["id"]), ("evt_test0a1b", &Value::from("evt_test0a1b")));
        assert_eq!((&event["test"], &event["sequence"], &event["account"]), (&true.into(), &0.into(), &"beta".into()));
        assert_eq!(event["timestamp"], "2026-11-02T09:14:00Z");
        event
    }

    #[test]
    fn a_test_is_of_a_type_that_the_subscriber_asked_for() {
        assert_eq!(made("card.*")["type"], "card.added");
        assert_eq!(made("*.snapshot")["type"], "report.snapshot");
        assert_eq!(made("policy.removed")["type"], "policy.removed");
    }

    #[test]
    fn a_test_fits_the_schema_of_its_type_and_shows_its_example() {
        for event_type in EventType::ALL.iter().copied() {
            let event = made(event_type.as_str());
            let schema = jsonschema::validator_for(&catalogue::schema(event_type)).expect("a schema");
            assert!(schema.is_valid(&event), "{event_type}");
            let example = serde_json::to_value(catalogue::example(event_type)).expect("json");
            assert_eq!((&event["data"], &event["subject"]), (&example["data"], &example["subject"]));
        }
    }
}
