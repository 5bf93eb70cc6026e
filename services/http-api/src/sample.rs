//! The event of a test delivery: shaped like a real one, marked as a test, and not in the log.

use event_model::{
    AccountName, Data, Detection, Event, EventFilter, EventId, EventType, InvalidAccountName, Revision, Sequence,
    Subject, entity::EntityKind, id::InvalidId,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

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
    let event_type = wanted_type(filter);
    let (object_id, object) = object_of(event_type.kind());
    let event = Event {
        id: id.clone(),
        event_type,
        timestamp: now,
        // Before the first event: a test has no place in the log.
        sequence: Sequence::START,
        account: match filter.accounts.first().or(account) {
            Some(account) => account.clone(),
            None => "test".parse()?,
        },
        subject: Subject::new(event_type.kind(), object_id),
        revision: Revision(0),
        data: Data { object, ..Data::default() },
        detection: Detection { observed_at: now, not_before: None, inferred: false },
    };
    Ok((id, serde_json::to_string(&TestEvent { event, test: true })?))
}

/// Why no test event could be made. None can happen with what this crate passes in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestEventError {
    #[error("the id does not fit")]
    Id(#[from] InvalidId),
    #[error("the account's name does not fit")]
    Account(#[from] InvalidAccountName),
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

/// An entity of `kind` that no real one can be mistaken for, and its id.
fn object_of(kind: EntityKind) -> (&'static str, Value) {
    match kind {
        EntityKind::Report => ("R00TEST00000", report()),
        EntityKind::Policy => ("TEST000000000000", policy()),
        EntityKind::Card => ("TEST0000", card()),
        EntityKind::Expense => ("TEST0000000000000000", json!({ "transactionID": "TEST0000000000000000" })),
        EntityKind::Scope => ("reports", json!({ "scope": "reports", "entities": 0 })),
        EntityKind::Account => ("test", json!({ "name": "test" })),
        EntityKind::Subscription => ("sub_test", json!({ "id": "sub_test" })),
    }
}

fn report() -> Value {
    json!({
        "reportID": "R00TEST00000", "oldReportID": null, "reportName": "A test of Expensewire", "state": "APPROVED",
        "stateNum": null, "accountEmail": "test@example.com", "accountID": null, "managerEmail": null,
        "policyID": "TEST000000000000", "policyName": "Test policy", "currency": "USD", "total": 4200,
        "created": "2026-04-01", "submitted": "2026-04-01 16:30:00", "approved": "2026-04-02 09:14:00",
        "reimbursed": null, "isACHReimbursed": null, "entryID": null, "approvers": [], "expenses": [],
    })
}

fn policy() -> Value {
    json!({
        "policyID": "TEST000000000000", "name": "Test policy", "owner": "test@example.com", "role": "admin",
        "type": "corporate", "outputCurrency": "USD", "categories": [], "reportFields": [], "tags": [], "tax": null,
        "employees": [],
    })
}

fn card() -> Value {
    json!({
        "cardID": "TEST0000", "domain": "example.com", "bank": null, "cardName": "Test card", "cardNumber": null,
        "email": "test@example.com", "externalEmployeeID": null, "created": null, "reimbursable": null,
        "lastImportResult": null, "scrapeMinDate": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(glob: &str) -> Value {
        let filter = EventFilter { events: vec![glob.parse().expect("a glob")], ..EventFilter::default() };
        let account = "acme".parse().expect("a name");
        let now = "2026-04-02T09:14:00Z".parse().expect("a time");
        let (id, body) = test_event(&filter, Some(&account), "0a1b", now).expect("made");
        assert_eq!(id.as_str(), "evt_test0a1b");
        assert_eq!(body.parse::<Value>().expect("json")["test"], true);
        serde_json::from_str::<Event>(&body).expect("an event, but for the mark");
        body.parse().expect("json")
    }

    #[test]
    fn a_test_is_of_a_type_that_the_subscriber_asked_for() {
        assert_eq!(made("card.*")["type"], "card.added");
        assert_eq!(made("*.snapshot")["type"], "report.snapshot");
        assert_eq!(made("policy.removed")["type"], "policy.removed");
    }

    #[test]
    fn the_samples_are_whole_entities() {
        let object = |glob| made(glob)["data"]["object"].clone();
        fn same<T: serde::de::DeserializeOwned + Serialize>(object: Value) {
            let read: T = serde_json::from_value(object.clone()).expect("an entity");
            assert_eq!(serde_json::to_value(read).expect("json"), object);
        }
        same::<event_model::Report>(object("report.approved"));
        same::<event_model::Policy>(object("policy.changed"));
        same::<event_model::Card>(object("card.added"));
    }
}
