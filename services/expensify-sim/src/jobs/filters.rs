//! Which reports a filter keeps (reference §2.1).

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use std::collections::BTreeSet;

use crate::answer::Refusal;
use crate::fields::{self, Object};
use crate::tenant::dates;
use crate::tenant::ids;
use crate::tenant::report::{Report, State};

const KNOWN: [&str; 6] = ["reportIDList", "policyIDList", "startDate", "endDate", "approvedAfter", "markedAsExported"];

/// A filter, read and found good.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ReportFilter {
    reports: Option<BTreeSet<u64>>,
    policies: Option<BTreeSet<String>>,
    start: Option<Date>,
    end: Option<Date>,
    approved_after: Option<Date>,
    not_marked: Option<String>,
    /// No list: every state.
    pub(super) states: Option<Vec<State>>,
    /// Only this person's reports.
    pub(super) submitter: Option<String>,
}

impl ReportFilter {
    /// Reads `filters`.
    ///
    /// # Errors
    /// Without any of the three anchors, with a date that is none, or with a span that is not allowed.
    pub(super) fn read(filters: &Object, now: Timestamp) -> Result<Self, Refusal> {
        fields::note_unknown(filters, "filters", &KNOWN);
        let comma_list = |key: &str| match filters.get(key) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(_) => fields::filled(filters, key).map(Some).ok_or_else(|| Refusal::parameter(key)),
        };
        let reports = comma_list("reportIDList")?;
        let policies = comma_list("policyIDList")?;
        let filter = Self {
            reports: reports.map(|list| fields::comma_list(&list).into_iter().filter_map(ids::report_number).collect()),
            policies: policies.map(|list| fields::comma_list(&list).into_iter().map(str::to_owned).collect()),
            start: fields::day(filters, "startDate")?,
            end: fields::day(filters, "endDate")?,
            approved_after: fields::day(filters, "approvedAfter")?,
            not_marked: fields::filled(filters, "markedAsExported"),
            states: None,
            submitter: None,
        };
        filter.check(dates::day(now))?;
        Ok(filter)
    }

    fn check(&self, today: Date) -> Result<(), Refusal> {
        let anchor = self.start.or(self.approved_after);
        if anchor.is_none() && self.reports.is_none() {
            return Err(Refusal::invalid("Bad request. Verify the request parameters."));
        }
        let Some(anchor) = anchor else { return Ok(()) };
        let a_year_on = anchor.saturating_add(Span::new().years(1));
        match self.end {
            None if a_year_on < today => {
                Err(Refusal::invalid("'endDate' is required when the start date is more than one year ago"))
            }
            Some(end) if end > a_year_on => Err(Refusal::invalid("The date range may not exceed one year")),
            _ => Ok(()),
        }
    }

    /// How many reports it names.
    pub(super) fn ids(&self) -> usize {
        self.reports.as_ref().map_or(0, BTreeSet::len)
    }

    /// Whether a report passes.
    pub(super) fn keeps(&self, report: &Report) -> bool {
        let anchor = report.anchor_day();
        self.reports.as_ref().is_none_or(|reports| reports.contains(&report.number))
            && self.policies.as_ref().is_none_or(|policies| policies.contains(&report.policy_id))
            && self.start.is_none_or(|start| anchor >= start)
            && self.end.is_none_or(|end| anchor <= end)
            && self.approved_after.is_none_or(|day| report.approved.is_some_and(|at| dates::day(at) >= day))
            && self.not_marked.as_ref().is_none_or(|label| !report.exported.contains(label))
            && self
                .states
                .as_ref()
                .is_none_or(|states| report.strange_status.is_none() && states.contains(&report.state))
            && self.submitter.as_ref().is_none_or(|email| report.submitter.email == *email)
    }
}

/// Reads `reportState`.
pub(super) fn states(input: &Object) -> Result<Option<Vec<State>>, Refusal> {
    let Some(text) = fields::filled(input, "reportState") else { return Ok(None) };
    let state = |word: &str| {
        State::from_word(word).ok_or_else(|| Refusal::invalid(format!("Report state '{word}' is not supported")))
    };
    fields::comma_list(&text).into_iter().map(state).collect::<Result<_, _>>().map(Some)
}
