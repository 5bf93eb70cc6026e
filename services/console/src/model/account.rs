//! Accounts, and how they are watched.

use serde::Deserialize;

use crate::{
    link,
    time::{self, Moment},
};

/// Every account that may be seen.
#[derive(Default, Deserialize)]
pub(crate) struct Accounts {
    pub accounts: Vec<Account>,
}

/// One account.
#[derive(Deserialize)]
pub(crate) struct Account {
    pub name: String,
    pub budget: Budget,
    pub watches: Vec<Watch>,
    pub confirming: u64,
    pub lost: Vec<Lost>,
    pub clock_offset_s: Option<f64>,
    pub notices: Vec<Notice>,
    pub last_error: Option<Notice>,
    freshness_s: Option<f64>,
}

/// How its requests are spent.
#[derive(Deserialize)]
pub(crate) struct Budget {
    pub windows: Vec<Window>,
    pub share: f64,
    pub configured_share: f64,
    pub last_limited_at: Option<Moment>,
}

/// One window of the budget.
#[derive(Deserialize)]
pub(crate) struct Window {
    pub window_s: u32,
    pub used: u32,
    pub limit: u32,
}

/// One thing that is read over and over.
#[derive(Deserialize)]
pub(crate) struct Watch {
    pub name: String,
    pub why: String,
    pub changes_per_hour: f64,
    period_s: Option<f64>,
    age_s: Option<f64>,
    pub baselined: bool,
    pub entities: Option<u64>,
    pub fresh_as_of: Option<Moment>,
    pub failures: u32,
    pub withheld: Option<Withheld>,
    pub set_aside: Vec<String>,
}

/// A mass disappearance that is not believed yet.
#[derive(Deserialize)]
pub(crate) struct Withheld {
    pub missing: u64,
    pub of: u64,
    pub since: Moment,
}

/// What is out of the credential's sight.
#[derive(Deserialize)]
pub(crate) struct Lost {
    pub scope: String,
    reason: String,
    pub since: Moment,
    pub missing: Option<u64>,
    pub of: Option<u64>,
}

/// Something to know, or a failure.
#[derive(Deserialize)]
pub(crate) struct Notice {
    pub at: Moment,
    pub watch: String,
    pub message: String,
}

/// How late a watch may be before it is marked: this many of its periods, and never less than a minute.
const LATE_PERIODS: f64 = 5.0;
const LATE_S: f64 = 60.0;

impl Account {
    /// The address of its page.
    pub fn address(&self) -> String {
        format!("/console/accounts/{}", link::segment(&self.name))
    }

    /// The age of what is known, as words; empty until everything was read once.
    pub fn freshness(&self) -> String {
        self.freshness_s.map(time::seconds).unwrap_or_default()
    }

    /// The class of its mark.
    pub fn tone(&self) -> &'static str {
        match self.freshness_s {
            None => "calm",
            Some(_) if self.watches.iter().any(Watch::is_late) => "warn",
            Some(_) => "good",
        }
    }

    /// The watches of which something is withheld.
    pub fn withheld(&self) -> impl Iterator<Item = (&Watch, &Withheld)> {
        self.watches.iter().filter_map(|watch| Some((watch, watch.withheld.as_ref()?)))
    }

    pub fn has_withheld(&self) -> bool {
        self.withheld().next().is_some()
    }

    /// Whether less of the limit is used than is configured.
    pub fn is_throttled(&self) -> bool {
        self.budget.share < self.budget.configured_share
    }

    /// The share of the limit, in percent.
    pub fn share(&self) -> String {
        format!("{:.0} %", self.budget.share * 100.0)
    }

    pub fn clock_offset(&self) -> String {
        self.clock_offset_s.map(|offset_s| format!("{offset_s:+.2} s")).unwrap_or_default()
    }
}

impl Watch {
    pub fn age(&self) -> String {
        self.age_s.map(time::seconds).unwrap_or_default()
    }

    pub fn period(&self) -> String {
        self.period_s.map(time::seconds).unwrap_or_default()
    }

    pub fn changes(&self) -> String {
        format!("{:.1}", self.changes_per_hour)
    }

    fn is_late(&self) -> bool {
        self.period_s.zip(self.age_s).is_some_and(|(period_s, age_s)| age_s > (period_s * LATE_PERIODS).max(LATE_S))
    }

    /// The class of its mark.
    pub fn tone(&self) -> &'static str {
        match (self.failures, self.is_late(), self.baselined) {
            (1.., _, _) => "bad",
            (0, true, _) => "warn",
            (0, false, true) => "good",
            (0, false, false) => "calm",
        }
    }
}

impl Lost {
    /// Why it is held to be out of sight.
    pub fn told(&self) -> &str {
        match self.reason.as_str() {
            "refused" => "Expensify refuses to show it",
            "role" => "the credential's role does not reach it any more",
            "mass_disappearance" => "so much went missing at once that a lost role is likelier than as many deletions",
            other => other,
        }
    }
}

/// What a release did.
#[derive(Deserialize)]
pub(crate) struct Released {
    pub removed: u64,
    pub confirming: u64,
}
