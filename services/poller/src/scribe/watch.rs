//! What there is to watch in an account.

use change_engine::plan::{Class, Spec, shape::ReportScope};
use expensify_client::ReportExport;
use jiff::{Timestamp, civil::Date};

/// An export and its download.
const REPORTS_COST: u32 = 2;
/// A list and one batch of details.
const POLICIES_COST: u32 = 2;
/// One list.
const CARDS_COST: u32 = 1;

/// Something that can be read. Of a scope that is read whole, absence says something; of the others only what they show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// The reports of one export.
    Reports(ReportScope),
    /// Reports that an export did not show although it had to, by their ids; read once, when there are some.
    FollowUp,
    /// Reports that can still move and that no export reaches any more, by their ids, some at a time.
    Aged,
    /// One report, by its id; read once, because somebody asked.
    Report(String),
    /// Every policy in reach, with its details.
    Policies,
    /// Policies that the list did not show, by their ids; read once, when there are some.
    PolicyConfirmation,
    /// The cards of this domain.
    Cards(String),
}

impl Watch {
    /// The name in the plan, in status, metrics and keys, and of the scope's own event.
    pub fn name(&self) -> String {
        match self {
            Self::Reports(scope) => scope.name(),
            Self::FollowUp => "reports:by-id".to_owned(),
            Self::Aged => "reports:aged".to_owned(),
            Self::Report(id) => format!("report/{id}"),
            Self::Policies => "policies".to_owned(),
            Self::PolicyConfirmation => "policies:by-id".to_owned(),
            Self::Cards(domain) => format!("cards:{domain}"),
        }
    }

    /// The name in metrics, whose labels must be few: without the id of a single report.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Report(_) => "report".to_owned(),
            Self::Reports(ReportScope::Window { .. }) => "reports:window".to_owned(),
            _ => self.name(),
        }
    }

    /// Whether it is read once and then gone.
    pub(crate) const fn is_once(&self) -> bool {
        matches!(self, Self::FollowUp | Self::Report(_) | Self::PolicyConfirmation)
    }

    /// Requests that one read costs, as far as is known before.
    pub(crate) const fn cost(&self) -> u32 {
        match self {
            Self::Reports(_) | Self::FollowUp | Self::Aged | Self::Report(_) => REPORTS_COST,
            Self::Policies | Self::PolicyConfirmation => POLICIES_COST,
            Self::Cards(_) => CARDS_COST,
        }
    }

    /// How it enters the plan when nothing is known of it.
    pub(super) fn spec(&self) -> Spec {
        let class = match self {
            Self::Reports(scope) => scope.class(),
            Self::FollowUp | Self::Aged | Self::Report(_) => Class::ById,
            Self::Policies | Self::PolicyConfirmation => Class::Policies,
            Self::Cards(_) => Class::Cards,
        };
        Spec::new(class, self.cost())
    }

    /// The scope that is lost when the upstream refuses this read; reads by id are not a scope.
    pub(super) fn access_scope(&self) -> Option<String> {
        match self {
            Self::Reports(_) => Some(REPORTS.to_owned()),
            Self::Policies | Self::Cards(_) => Some(self.name()),
            Self::FollowUp | Self::Aged | Self::Report(_) | Self::PolicyConfirmation => None,
        }
    }
}

/// The scope of all reports, however they are read.
pub(super) const REPORTS: &str = "reports";
/// Whether this is the name of a watch of reports.
pub(super) fn is_of_reports(name: &str) -> bool {
    name.split(':').next() == Some(REPORTS)
}

/// Whether this is the name of an export whose scopes together show everything in reach, each report once: the whole, or a
/// window of the sweep.
pub(super) fn is_sweep(name: &str) -> bool {
    let window = name.strip_prefix("reports:").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    name == REPORTS || window
}

/// The scope of all policies.
pub(super) const POLICIES: &str = "policies";

/// A watch as it should stand in the plan now.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub watch: Watch,
    /// How it enters the plan.
    pub spec: Spec,
    /// Of what is read once: from when on. Of a standing watch: it should be read once more, ahead of the queue.
    pub once: Option<Timestamp>,
}

/// What a read is to ask for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// An export.
    Reports(ReportsAsked),
    /// The list of policies that are administered, then their details.
    Policies,
    /// The list of all policies that are seen, in whatever role, then the details of these.
    PoliciesById(Vec<String>),
    /// The cards of this domain.
    Cards(String),
}

/// An export of reports.
#[derive(Clone, Debug)]
pub struct ReportsAsked {
    /// For which watch.
    pub watch: Watch,
    /// What to ask for.
    pub export: ReportExport,
    /// The server's date.
    pub(super) today: Date,
}
