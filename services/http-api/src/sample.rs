//! The event of a test delivery: the catalogue's example of its type, marked as a test, and not in the log. Whoever asks may
//! name the type, and put values of their own in the place of the example's.

mod overrides;

use event_model::{AccountName, Event, EventFilter, EventId, EventType, Revision, Sequence, catalogue, id::InvalidId};
use jiff::Timestamp;
pub(crate) use overrides::{MAX_OVERRIDES, Overrides};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    fields::{Faults, Fields, nearest, text},
    params::cut,
    problem::Refusal,
};

/// The fields of the body.
pub(crate) const FIELDS: &[&str] = &["type", "overrides"];

/// Which sample is asked for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// Its type; without one, whichever the subscriber asked for.
    event_type: Option<EventType>,
    overrides: Overrides,
}

impl Wish {
    /// What `body` asks for.
    pub fn read(body: Map<String, Value>) -> Result<Self, Refusal> {
        let mut fields = Fields::new(body);
        let event_type = fields.take("type", known_type).given();
        let overrides = fields.take("overrides", overrides::read).or_default();
        fields.finish(FIELDS).finish()?;
        Ok(Self { event_type, overrides })
    }
}

fn known_type(faults: &mut Faults, at: &str, value: Value) -> Option<EventType> {
    let name = text(faults, at, value)?;
    let found = EventType::ALL.iter().copied().find(|known| known.as_str() == name);
    if found.is_none() {
        let meant = nearest(&name, EventType::ALL.iter().map(|known| known.as_str()));
        let hint = meant.map_or_else(
            || "; GET /v1/event-types lists them".to_owned(),
            |known| format!("; did you mean {known:?}?"),
        );
        faults.note(at, format!("{:?} is no event type{hint}", cut(&name)));
    }
    found
}

#[derive(Serialize)]
struct TestEvent {
    #[serde(flatten)]
    event: Event,
    /// What tells it from an event that happened.
    test: bool,
}

/// A test event.
pub(crate) struct Sample {
    pub id: EventId,
    pub event_type: EventType,
    /// Its JSON, as it is sent.
    pub body: String,
}

/// The test event that is wished for, else one that `filter` wants, of the account it names first, else of `account`;
/// `unique` (of `a-z 0-9`) makes the id. With overrides it still fits the schema of its type, or is refused.
pub(crate) fn test_event(
    wish: &Wish,
    filter: &EventFilter,
    account: Option<&AccountName>,
    unique: &str,
    now: Timestamp,
) -> Result<Sample, TestEventError> {
    let id: EventId = format!("evt_test{unique}").parse()?;
    let event_type = wish.event_type.unwrap_or_else(|| wanted_type(filter));
    let mut event = catalogue::example(event_type);
    event.id = id.clone();
    if let Some(account) = filter.accounts.first().or(account) {
        event.account = account.clone();
    }
    // Before the first event, and of no revision: a test has no place in the log.
    (event.sequence, event.revision) = (Sequence::START, Revision(0));
    (event.timestamp, event.detection.observed_at) = (now, now);
    event.detection.not_before = None;
    let event = TestEvent { event, test: true };
    let body = if wish.overrides.is_empty() {
        serde_json::to_string(&event)?
    } else {
        wish.overrides.applied(event_type, serde_json::to_value(&event)?)?.to_string()
    };
    Ok(Sample { id, event_type, body })
}

/// Why no test event could be made. Only the last can happen with what this crate passes in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestEventError {
    #[error("the id does not fit")]
    Id(#[from] InvalidId),
    #[error("the event does not go into JSON")]
    Json(#[from] serde_json::Error),
    #[error("an override does not fit")]
    Override(Refusal),
}

impl From<Refusal> for TestEventError {
    fn from(refusal: Refusal) -> Self {
        Self::Override(refusal)
    }
}

impl From<TestEventError> for Refusal {
    fn from(error: TestEventError) -> Self {
        match error {
            TestEventError::Override(refusal) => refusal,
            error @ (TestEventError::Id(_) | TestEventError::Json(_)) => Self::Encoding(Box::new(error)),
        }
    }
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
    use serde_json::json;

    use super::*;

    fn made(glob: &str) -> Value {
        sample(&Wish::default(), glob).expect("made")
    }

    fn wished(body: Value) -> Result<Value, Vec<(String, String)>> {
        let Value::Object(body) = body else { panic!("an object") };
        let faults = |refusal| match refusal {
            Refusal::Fields(faults) => {
                faults.into_iter().map(|one| (one.pointer.unwrap_or_default(), one.detail)).collect()
            }
            other => panic!("{other:?}"),
        };
        let wish = Wish::read(body).map_err(faults)?;
        sample(&wish, "card.*").map_err(|error| faults(error.into()))
    }

    fn sample(wish: &Wish, glob: &str) -> Result<Value, TestEventError> {
        let filter = EventFilter { events: vec![glob.parse().expect("a glob")], ..EventFilter::default() };
        let account = "beta".parse().expect("a name");
        let now = "2026-11-02T09:14:00Z".parse().expect("a time");
        let Sample { id, event_type, body } = test_event(wish, &filter, Some(&account), "0a1b", now)?;
        let event: Value = body.parse().expect("json");
        assert_eq!((id.as_str(), &event["id"]), ("evt_test0a1b", &Value::from("evt_test0a1b")));
        assert_eq!((&event["test"], &event["sequence"], &event["type"]), (&true.into(), &0.into(), &json!(event_type)));
        assert_eq!((&event["timestamp"], &event["account"]), (&json!("2026-11-02T09:14:00Z"), &json!("beta")));
        Ok(event)
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

    #[test]
    fn a_sample_of_every_type_is_had_by_its_name_whatever_the_subscriber_asked_for() {
        for event_type in EventType::ALL.iter().copied() {
            let event = wished(json!({ "type": event_type })).expect("made");
            let schema = jsonschema::validator_for(&catalogue::schema(event_type)).expect("a schema");
            assert!(event["type"] == event_type.as_str() && schema.is_valid(&event), "{event_type}");
        }
        let told = wished(json!({ "type": "report.aproved", "override": {} })).expect_err("refused");
        assert_eq!(told[0].0, "/type");
        assert!(told[0].1.contains("did you mean \"report.approved\"?"), "{told:?}");
        assert!(told[1].1.contains("did you mean \"overrides\"?"), "{told:?}");
    }

    #[test]
    fn values_of_the_asker_take_the_place_of_the_samples() {
        let overrides = json!({
            "/data/object/total": 4711, "/data/object/reportName": "Zoë's \"lunch\"", "/data/changed/0": "approved",
            "/actor": null, "/timestamp": "2026-11-02T09:14:00Z",
        });
        let event = wished(json!({ "type": "report.approved", "overrides": overrides })).expect("made");
        let object = &event["data"]["object"];
        assert_eq!((&object["total"], &object["reportName"]), (&json!(4711), &json!("Zoë's \"lunch\"")));
        assert_eq!((&event["actor"], &event["data"]["changed"][0]), (&Value::Null, &json!("approved")));
    }

    #[test]
    fn an_override_that_makes_no_event_of_the_type_is_told_with_its_place() {
        let refused = |path: &str, value: Value| {
            let told = wished(json!({ "type": "report.approved", "overrides": { path: value } })).expect_err("refused");
            assert_eq!(told[0].0, format!("/overrides/{}", path.replace('~', "~0").replace('/', "~1")), "{told:?}");
            told[0].1.clone()
        };
        assert!(refused("/data/object/total", json!("much")).contains("is not of type"), "a type");
        assert!(refused("/data/object", json!({})).contains("required"), "what is missing within");
        assert!(refused("/data/object/totl", json!(1)).contains("did you mean \"total\"?"), "a field");
        assert!(refused("/data/objct/total", json!(1)).contains("did you mean \"object\"?"), "a field on the way");
        assert!(refused("/data/changed/99", json!("x")).contains("items"), "an item");
        assert!(refused("/subject", json!("card/7")).contains("match"), "a subject of another kind");
        assert!(refused("data.object.total", json!(1)).contains("JSON pointer"), "no pointer");
        for own in ["/id", "/type", "/sequence", "/revision", "/test"] {
            assert!(refused(own, json!(1)).contains("the service's own"), "{own}");
        }
    }
}
