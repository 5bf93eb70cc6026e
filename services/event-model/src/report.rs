//! Reports and their expenses, in the canonical form that events carry.
//!
//! Field names are the upstream's (reference sections 3.4 and 3.5) where it has them. Every key is always present, `null`
//! where the upstream is blank; lists are sorted by key. What moves without meaning (list order, blank against missing,
//! the spelling of an id) is settled before a value of these types exists, so that equal values mean "nothing changed".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{date::UpstreamDate, history::HistoryEntry};

/// Where a report stands in its lifecycle (reference section 3.7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum ReportState {
    /// `OPEN`: a draft.
    Open,
    /// `SUBMITTED`: awaiting approval; the upstream's text is "Processing".
    Submitted,
    /// `APPROVED`: finally approved.
    Approved,
    /// `REIMBURSED`: paid, or payment under way.
    Reimbursed,
    /// `ARCHIVED`: closed without payment; the upstream's text is "Closed".
    Archived,
    /// A text that this version does not know, kept in upper case.
    Other(String),
}

impl ReportState {
    /// Reads any of the upstream's spellings, in any case: filter values, texts of the web, legacy names.
    pub fn from_upstream(text: &str) -> Self {
        let upper = text.trim().to_ascii_uppercase();
        match upper.as_str() {
            "OPEN" => Self::Open,
            "SUBMITTED" | "PROCESSING" => Self::Submitted,
            "APPROVED" => Self::Approved,
            "REIMBURSED" | "BILLING" | "READYTOPAY" | "PAYING" | "AUTOREIMBURSED" | "MANUALREIMBURSED" => {
                Self::Reimbursed
            }
            "ARCHIVED" | "CLOSED" => Self::Archived,
            _ => Self::Other(upper),
        }
    }

    /// The name in events: the upstream's filter value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Open => "OPEN",
            Self::Submitted => "SUBMITTED",
            Self::Approved => "APPROVED",
            Self::Reimbursed => "REIMBURSED",
            Self::Archived => "ARCHIVED",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for ReportState {
    fn from(text: String) -> Self {
        Self::from_upstream(&text)
    }
}

impl From<ReportState> for String {
    fn from(state: ReportState) -> Self {
        state.as_str().to_owned()
    }
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Canonical id: the new spelling (`R` and eleven base-62 digits) where it can be had.
    #[serde(rename = "reportID")]
    pub report_id: String,
    /// The decimal id of old, if the upstream tells it.
    #[serde(rename = "oldReportID")]
    pub old_report_id: Option<String>,
    /// Title.
    pub report_name: Option<String>,
    /// Lifecycle state.
    pub state: ReportState,
    /// The upstream's numeric state, a hint (3 payment begun, 6 payment confirmed).
    pub state_num: Option<i64>,
    /// Who made the report.
    pub account_email: Option<String>,
    /// The same person as an id.
    #[serde(rename = "accountID")]
    pub account_id: Option<String>,
    /// Last approver, or who approves next.
    pub manager_email: Option<String>,
    /// Policy it is on; `null` for a personal report.
    #[serde(rename = "policyID")]
    pub policy_id: Option<String>,
    /// That policy's name.
    pub policy_name: Option<String>,
    /// ISO 4217 currency of `total`.
    pub currency: Option<String>,
    /// Total in minor units of `currency`.
    pub total: Option<i64>,
    /// When it was made.
    pub created: Option<UpstreamDate>,
    /// When it was last submitted.
    pub submitted: Option<UpstreamDate>,
    /// When it was finally approved.
    pub approved: Option<UpstreamDate>,
    /// When it was reimbursed.
    pub reimbursed: Option<UpstreamDate>,
    /// Paid by ACH through Expensify.
    #[serde(rename = "isACHReimbursed")]
    pub is_ach_reimbursed: Option<bool>,
    /// Latest reimbursement id.
    #[serde(rename = "entryID")]
    pub entry_id: Option<String>,
    /// Who approved and when, sorted by date, then email.
    pub approvers: Vec<Approver>,
    /// Expenses, sorted by `transactionID`.
    pub expenses: Vec<Expense>,
    /// The steps of its life as the upstream's history tells them, sorted by time: the newest
    /// [`MAX_HISTORY`](crate::history::MAX_HISTORY). Its vocabulary is open and not promised: it dates steps and names who took
    /// them, and nothing depends on it.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
    /// Ours: the last step was told before the history told of it. Entries that come later and are older than the last look
    /// are that step, and not told again.
    #[serde(default)]
    pub history_behind: bool,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Approver {
    /// When.
    pub date: Option<UpstreamDate>,
    /// Who.
    pub email: String,
}

/// A line of a report. Amounts are minor units of `currency`; a purchase is positive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expense {
    /// Decimal, up to 19 digits.
    #[serde(rename = "transactionID")]
    pub transaction_id: String,
    /// `expense`, `distance`, `time`.
    #[serde(rename = "type")]
    pub expense_type: Option<String>,
    /// Merchant as first recorded.
    pub merchant: Option<String>,
    /// Merchant as corrected.
    pub modified_merchant: Option<String>,
    /// Amount as first recorded.
    pub amount: Option<i64>,
    /// Amount as corrected.
    pub modified_amount: Option<i64>,
    /// Amount in the report's currency.
    pub converted_amount: Option<i64>,
    /// ISO 4217 currency of the amounts.
    pub currency: Option<String>,
    /// Day of the purchase as first recorded.
    pub created: Option<UpstreamDate>,
    /// Day of the purchase as corrected.
    pub modified_created: Option<UpstreamDate>,
    /// When the expense was added.
    pub inserted: Option<UpstreamDate>,
    /// Category.
    pub category: Option<String>,
    /// Ledger code of the category.
    pub category_gl_code: Option<String>,
    /// Tag; levels joined by `:`.
    pub tag: Option<String>,
    /// Ledger code of the tag.
    pub tag_gl_code: Option<String>,
    /// Comment.
    pub comment: Option<String>,
    /// To be reimbursed.
    pub reimbursable: Option<bool>,
    /// To be billed on.
    pub billable: Option<bool>,
    /// Tax in minor units.
    pub tax_amount: Option<i64>,
    /// Name of the tax.
    pub tax_name: Option<String>,
    /// Rate of the tax, as the upstream writes it.
    pub tax_rate: Option<String>,
    /// Merchant category code.
    pub mcc: Option<String>,
    /// Card feed; `null` for cash.
    pub bank: Option<String>,
    /// Receipt.
    #[serde(rename = "receiptID")]
    pub receipt_id: Option<String>,
}

/// An expense as its own events carry it: the line, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedExpense {
    /// The report that it is on; after `expense.removed`, the one that it was on.
    #[serde(rename = "reportID")]
    pub report_id: String,
    /// The policy of that report; `null` of a personal one.
    #[serde(rename = "policyID")]
    pub policy_id: Option<String>,
    /// The line.
    #[serde(flatten)]
    pub expense: Expense,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_state_is_one_state_and_unknown_ones_are_kept() {
        for (text, state) in [
            ("Open", ReportState::Open),
            ("processing", ReportState::Submitted),
            ("Closed", ReportState::Archived),
            ("AUTOREIMBURSED", ReportState::Reimbursed),
            ("Escalated", ReportState::Other("ESCALATED".into())),
        ] {
            assert_eq!(ReportState::from_upstream(text), state);
            assert_eq!(ReportState::from_upstream(state.as_str()), state);
        }
    }
}
