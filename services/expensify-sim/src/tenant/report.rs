//! A report, its expenses and its history, and the one function that moves it through its life.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Tenant;
use super::dates;
use super::ids;
use super::person::Person;
use super::policy::Policy;

/// Where a report stands, in the five words of the export's `reportState` filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Submitted,
    Approved,
    Reimbursed,
    Archived,
}

impl State {
    /// The filter's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Submitted => "SUBMITTED",
            Self::Approved => "APPROVED",
            Self::Reimbursed => "REIMBURSED",
            Self::Archived => "ARCHIVED",
        }
    }

    /// What `report.status` and the server's messages say.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Submitted => "Processing",
            Self::Approved => "Approved",
            Self::Reimbursed => "Reimbursed",
            Self::Archived => "Closed",
        }
    }

    /// The state that a filter's word names.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Submitted, Self::Approved, Self::Reimbursed, Self::Archived]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// How a report was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payment {
    /// Outside Expensify, only marked.
    Manual { source: Option<String> },
    /// By ACH; `withdrawing` while the money is still being collected.
    Ach { entry_id: String, withdrawing: bool },
}

/// One line of a report's history.
#[derive(Debug, Clone)]
pub(crate) struct Action {
    pub(crate) action: &'static str,
    pub(crate) email: String,
    pub(crate) at: Timestamp,
    pub(crate) details: Value,
}

/// One who approved, and when.
#[derive(Debug, Clone)]
pub(crate) struct Approver {
    pub(crate) person: Person,
    pub(crate) at: Timestamp,
}

/// Tax of one expense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpenseTax {
    pub(crate) amount: i64,
    pub(crate) rate_id: String,
    pub(crate) name: String,
    pub(crate) rate: String,
}

/// One expense. Amounts are in minor units, purchases positive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expense {
    pub(crate) id: String,
    pub(crate) merchant: String,
    pub(crate) modified_merchant: Option<String>,
    pub(crate) amount: i64,
    pub(crate) modified_amount: Option<i64>,
    pub(crate) currency: String,
    /// Units of the report's currency for one unit of this one, in millionths.
    pub(crate) rate_millionths: i64,
    pub(crate) created: Date,
    pub(crate) inserted: Timestamp,
    pub(crate) category: String,
    pub(crate) category_gl_code: String,
    pub(crate) tag: String,
    pub(crate) tag_gl_code: String,
    pub(crate) comment: String,
    pub(crate) reimbursable: bool,
    pub(crate) billable: bool,
    pub(crate) tax: Option<ExpenseTax>,
    pub(crate) mcc: u32,
    pub(crate) bank: String,
    pub(crate) card_number: String,
    pub(crate) external_id: String,
    pub(crate) receipt_id: String,
    pub(crate) receipt_filename: String,
}

impl Expense {
    /// The amount that counts, in the report's currency.
    pub(crate) fn converted(&self) -> i64 {
        let amount = i128::from(self.modified_amount.unwrap_or(self.amount));
        i64::try_from(amount * i128::from(self.rate_millionths) / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// One report.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) submitter: Person,
    /// Who must act, or who acted last.
    pub(crate) manager: Person,
    pub(crate) policy_id: String,
    /// The policy's name when the report was made: a later rename does not reach into it.
    pub(crate) policy_name: String,
    pub(crate) currency: String,
    pub(crate) state: State,
    /// A status text that is none of the known five, shown in place of the state's until the next step.
    pub(crate) strange_status: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) submitted: Option<Timestamp>,
    pub(crate) approved: Option<Timestamp>,
    pub(crate) reimbursed: Option<Timestamp>,
    pub(crate) payment: Option<Payment>,
    pub(crate) approvers: Vec<Approver>,
    pub(crate) actions: Vec<Action>,
    pub(crate) custom_fields: BTreeMap<String, String>,
    pub(crate) expenses: Vec<Expense>,
    /// Labels set by `markAsExported`. No read shows them; only the filter of that name does.
    pub(crate) exported: BTreeSet<String>,
}

/// One step of a report's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Submit,
    Approve,
    Reimburse(Payment),
    Archive,
    Reopen,
    Unapprove,
}

/// The report stands where this step cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongState(pub(crate) State);

impl fmt::Display for WrongState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report is in status '{}'", self.0.status())
    }
}

impl Step {
    /// Whether a report in this state can take the step.
    pub(crate) fn fits(&self, state: State) -> bool {
        match self {
            Self::Submit => state == State::Open,
            Self::Approve => state == State::Submitted,
            Self::Reimburse(_) | Self::Unapprove => state == State::Approved,
            Self::Archive => matches!(state, State::Submitted | State::Approved),
            Self::Reopen => matches!(state, State::Submitted | State::Approved | State::Archived),
        }
    }
}

impl Report {
    /// An empty draft without a number, made at `at`; the member's manager is who it will go to.
    pub(crate) fn draft(tenant: &Tenant, policy: &Policy, email: &str, title: String, at: Timestamp) -> Self {
        let manager = policy.employee(email).map_or(policy.owner.as_str(), |member| member.submits_to.as_str());
        let mut report = Self {
            number: 0,
            title,
            submitter: tenant.person_or_stranger(email),
            manager: tenant.person_or_stranger(manager),
            policy_id: policy.id.clone(),
            policy_name: policy.name.clone(),
            currency: policy.currency.clone(),
            state: State::Open,
            strange_status: None,
            created: at,
            submitted: None,
            approved: None,
            reimbursed: None,
            payment: None,
            approvers: Vec::new(),
            actions: Vec::new(),
            custom_fields: BTreeMap::new(),
            expenses: Vec::new(),
            exported: BTreeSet::new(),
        };
        report.note("CREATED", email.to_owned(), at, serde_json::json!({}));
        report
    }

    /// The new spelling of its id.
    pub(crate) fn id(&self) -> String {
        ids::report_id(self.number)
    }

    /// The word for where it stands: of the five, or its strange status.
    pub(crate) fn state_word(&self) -> &str {
        self.strange_status.as_deref().unwrap_or_else(|| self.state.word())
    }

    /// Sum of its expenses, in its currency.
    pub(crate) fn total(&self) -> i64 {
        self.expenses.iter().fold(0, |sum, expense| sum.saturating_add(expense.converted()))
    }

    /// The day that `startDate` and `endDate` look at: the later of created and submitted.
    pub(crate) fn anchor_day(&self) -> Date {
        dates::day(self.submitted.map_or(self.created, |submitted| submitted.max(self.created)))
    }

    /// Takes one step at `at`, or says why it cannot and changes nothing.
    pub(crate) fn take(&mut self, step: Step, at: Timestamp) -> Result<(), WrongState> {
        if !step.fits(self.state) {
            return Err(WrongState(self.state));
        }
        self.strange_status = None;
        match step {
            Step::Submit => self.submit(at),
            Step::Approve => self.approve(at),
            Step::Reimburse(payment) => self.reimburse(payment, at),
            Step::Archive => self.archive(at),
            Step::Reopen => self.reopen(at),
            Step::Unapprove => self.unapprove(at),
        }
        Ok(())
    }

    fn submit(&mut self, at: Timestamp) {
        self.state = State::Submitted;
        self.submitted = Some(at);
        let to = self.manager.email.clone();
        self.note("SUBMITTED", self.submitter.email.clone(), at, serde_json::json!({ "to": to }));
    }

    fn approve(&mut self, at: Timestamp) {
        self.state = State::Approved;
        self.approved = Some(at);
        self.approvers.push(Approver { person: self.manager.clone(), at });
        self.note("APPROVED", self.manager.email.clone(), at, serde_json::json!({}));
    }

    fn reimburse(&mut self, payment: Payment, at: Timestamp) {
        self.state = State::Reimbursed;
        self.reimbursed = Some(at);
        let (action, details) = match &payment {
            Payment::Manual { source: None } => ("MARKEDREIMBURSED", serde_json::json!({})),
            Payment::Manual { source: Some(source) } => {
                ("MARKEDREIMBURSED", serde_json::json!({ "paymentSource": source }))
            }
            Payment::Ach { .. } => {
                let expected = dates::earlier(at, -3 * 86_400);
                ("REIMBURSED", serde_json::json!({ "expectedDate": dates::day(expected).to_string() }))
            }
        };
        self.payment = Some(payment);
        self.note(action, self.manager.email.clone(), at, details);
    }

    fn archive(&mut self, at: Timestamp) {
        self.state = State::Archived;
        self.note("CLOSED", self.manager.email.clone(), at, serde_json::json!({}));
    }

    fn reopen(&mut self, at: Timestamp) {
        self.state = State::Open;
        self.submitted = None;
        self.approved = None;
        self.approvers.clear();
        self.note(
            "REJECTED",
            self.manager.email.clone(),
            at,
            serde_json::json!({ "message": "please add the receipts" }),
        );
    }

    fn unapprove(&mut self, at: Timestamp) {
        self.state = State::Submitted;
        self.approved = None;
        self.approvers.pop();
        self.note("UNAPPROVED", self.manager.email.clone(), at, serde_json::json!({}));
    }

    /// Writes one line of history.
    pub(crate) fn note(&mut self, action: &'static str, email: String, at: Timestamp, details: Value) {
        self.actions.push(Action { action, email, at, details });
    }
}
