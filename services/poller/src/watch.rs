//! What there is to watch in an account, and what is kept of each watch between runs.

use std::collections::BTreeSet;

use change_engine::{Absences, plan};
use event_model::{EntityKind, Subject, status::WatchStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::AccountConfig;

/// Changes an hour to plan with until rates are learned. A report moves several times in its life and is what people wait
/// for; an export shows all of them at once.
const REPORT_CHANGES_PER_HOUR: f64 = 60.0;
/// Settings and members change in a few sittings a day; between them nothing moves.
const POLICY_CHANGES_PER_HOUR: f64 = 6.0;
/// Cards are issued and closed a few times a day at most.
const CARD_CHANGES_PER_HOUR: f64 = 3.0;

/// No change matters more than another.
const WEIGHT: f64 = 1.0;

/// An export and its download.
pub(crate) const REPORTS_COST: u32 = 2;
/// The list and one batch of details.
const POLICIES_COST: u32 = 2;
/// One list.
pub(crate) const CARDS_COST: u32 = 1;

/// A scope that is read whole. The entities of different watches are different ones (a card that two domains list belongs to
/// the one that showed it first, until it is gone there), and a watch has one read under way at most, so an older observation
/// never overwrites a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Every report in reach.
    Reports,
    /// Every policy in reach, with its details.
    Policies,
    /// The cards of this domain.
    Cards(String),
}

impl Watch {
    /// The watches of an account, in the order of its plan.
    pub(crate) fn all_of(config: &AccountConfig) -> Vec<Self> {
        let cards = config.domains.iter().cloned().map(Self::Cards);
        [Self::Reports, Self::Policies].into_iter().chain(cards).collect()
    }

    /// The name in status, metrics, keys and the scope's own event.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Reports => "reports".to_owned(),
            Self::Policies => "policies".to_owned(),
            Self::Cards(domain) => format!("cards:{domain}"),
        }
    }

    /// The kind of its entities.
    pub(crate) const fn kind(&self) -> EntityKind {
        match self {
            Self::Reports => EntityKind::Report,
            Self::Policies => EntityKind::Policy,
            Self::Cards(_) => EntityKind::Card,
        }
    }

    /// The scope: its event says that the first sight is complete.
    pub(crate) fn scope(&self) -> Subject {
        Subject::new(EntityKind::Scope, self.name())
    }

    /// What the configuration makes of the scope. When it differs from that of the last read, entities that are new now
    /// were only out of reach before.
    pub(crate) fn reach(&self, config: &AccountConfig) -> String {
        let policies = config.policies.join(",");
        match self {
            Self::Reports => format!("days={} policies={policies}", config.history_days),
            Self::Policies => format!("policies={policies}"),
            Self::Cards(_) => String::new(),
        }
    }

    /// How it enters the plan.
    pub(crate) fn planned(&self, baselined: bool, fresh_as_of: Option<Timestamp>) -> plan::Watch {
        let (cost, changes_per_hour) = match self {
            Self::Reports => (REPORTS_COST, REPORT_CHANGES_PER_HOUR),
            Self::Policies => (POLICIES_COST, POLICY_CHANGES_PER_HOUR),
            Self::Cards(_) => (CARDS_COST, CARD_CHANGES_PER_HOUR),
        };
        plan::Watch { cost, changes_per_hour, weight: WEIGHT, baselined, fresh_as_of }
    }
}

/// What is kept of a watch beside the log, under `{account}/{watch}`. Losing the last change of it costs a confirmation or
/// a `not_before`, never an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WatchRecord {
    /// Start of the last complete read.
    pub(crate) fresh_as_of: Option<Timestamp>,
    /// Start of the last complete read from which nothing was missing.
    pub(crate) whole_as_of: Option<Timestamp>,
    /// Entities that the last complete read showed.
    pub(crate) entities: Option<u64>,
    /// Entities that it did not show although the log has them.
    pub(crate) absences: Absences,
    /// Entities that were listed and could never be read: the first sight of them is still to come.
    #[serde(default)]
    pub(crate) unread: BTreeSet<String>,
    /// [`Watch::reach`] at that read.
    pub(crate) reach: String,
}

/// The watch in the words of the API.
pub(crate) fn status(watch: &Watch, planned: &plan::Watch, failures: u32, entities: Option<u64>) -> WatchStatus {
    WatchStatus {
        name: watch.name(),
        cost_requests: planned.cost,
        changes_per_hour: planned.changes_per_hour,
        baselined: planned.baselined,
        entities,
        fresh_as_of: planned.fresh_as_of,
        failures,
    }
}
