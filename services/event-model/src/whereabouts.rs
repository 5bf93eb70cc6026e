//! Where an entity stands, as far as that decides which reads of the upstream have to show it.

use jiff::civil;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{date::UpstreamDate, entity::EntityKind, report::ReportState};

/// The part of an entity that filters and lists of the upstream go by. It is read from the object when an event is folded,
/// so that nobody has to load a million objects to know which of them a read ought to have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// Of a report or an expense: the policy that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Of a report: its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ReportState>,
    /// Of a report: the later of the days on which it was created and submitted (reference section 3.8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<civil::Date>,
    /// Of a card: the domain whose list it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Of an expense: the report that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

impl Whereabouts {
    /// What `object` says; nothing of kinds that no filter looks at.
    pub fn of(kind: EntityKind, object: &Value) -> Self {
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let day = |key: &str| {
            let date = object.get(key).and_then(Value::as_str)?;
            UpstreamDate::parse_blank(date).ok().flatten().map(UpstreamDate::day)
        };
        match kind {
            EntityKind::Report => Self {
                policy: text("policyID"),
                state: text("state").map(|state| ReportState::from_upstream(&state)),
                day: day("created").max(day("submitted")),
                ..Self::default()
            },
            EntityKind::Expense => Self { policy: text("policyID"), report: text("reportID"), ..Self::default() },
            EntityKind::Card => Self { domain: text("domain"), ..Self::default() },
            EntityKind::Policy
            | EntityKind::Feed
            | EntityKind::Scope
            | EntityKind::Account
            | EntityKind::Subscription => Self::default(),
        }
    }

    /// Nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_stands_on_the_later_of_its_days() {
        let object =
            json!({"state": "APPROVED", "policyID": "A1", "created": "2026-03-01", "submitted": "2026-04-02 09:14:00"});
        let whereabouts = Whereabouts::of(EntityKind::Report, &object);
        assert_eq!(whereabouts.day, Some(civil::date(2026, 4, 2)));
        assert_eq!(whereabouts.state, Some(ReportState::Approved));
        assert_eq!(whereabouts.policy.as_deref(), Some("A1"));
        let text = serde_json::to_string(&whereabouts).expect("json");
        assert_eq!(serde_json::from_str::<Whereabouts>(&text).expect("reads back"), whereabouts);
    }

    #[test]
    fn an_object_that_says_nothing_stands_nowhere() {
        for kind in EntityKind::ALL {
            assert!(Whereabouts::of(kind, &json!({"created": "soon", "state": 7})).is_unknown(), "{kind:?}");
        }
    }
}
