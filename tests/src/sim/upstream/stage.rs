//! The lifecycle of a report as the upstream lives it (design section 3, reference sections 3.6 and 3.7). Written from these,
//! and shared with nothing of the product.

/// Where a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A draft.
    Open,
    /// Awaiting approval.
    Submitted,
    /// Approved.
    Approved,
    /// Paid.
    Reimbursed,
    /// Closed without payment.
    Archived,
    /// Something that nobody has heard of.
    Odd,
}

impl Stage {
    /// The upstream's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Submitted => "SUBMITTED",
            Self::Approved => "APPROVED",
            Self::Reimbursed => "REIMBURSED",
            Self::Archived => "ARCHIVED",
            Self::Odd => "ESCALATED",
        }
    }

    /// The place on the way from draft to payment; `None` beside it.
    const fn place(self) -> Option<usize> {
        match self {
            Self::Open => Some(0),
            Self::Submitted => Some(1),
            Self::Approved => Some(2),
            Self::Reimbursed => Some(3),
            Self::Archived | Self::Odd => None,
        }
    }

    /// The event that says that the report came forward to this stage; of a draft, back to it.
    pub const fn arrival(self) -> &'static str {
        match self {
            Self::Open => "report.reopened",
            Self::Submitted => "report.submitted",
            Self::Approved => "report.approved",
            Self::Reimbursed => "report.reimbursed",
            Self::Archived => "report.archived",
            Self::Odd => "report.updated",
        }
    }

    const fn retreat_to(self) -> &'static str {
        match self {
            Self::Submitted => "report.unapproved",
            Self::Approved => "report.reimbursement_reverted",
            _ => "report.reopened",
        }
    }
}

const WAY: [Stage; 4] = [Stage::Open, Stage::Submitted, Stage::Approved, Stage::Reimbursed];

/// A step between two stages as events name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The event.
    pub event: &'static str,
    /// Whether it may go unsaid: on the way to being closed, which can be taken from anywhere.
    pub optional: bool,
}

/// What a consumer is to hear when nothing is known but that a report went from `from` to `to`: each step on the way, in order.
pub fn path(from: Stage, to: Stage) -> Vec<Named> {
    let sure = |event| Named { event, optional: false };
    let perhaps = |stage: Stage| Named { event: stage.arrival(), optional: true };
    match (from, to) {
        _ if from == to => vec![],
        (_, Stage::Odd) => vec![],
        (Stage::Odd, _) => vec![sure(to.arrival())],
        (_, Stage::Archived) => {
            let skipped = [Stage::Submitted, Stage::Approved].into_iter().filter(|stage| stage.place() > from.place());
            skipped.map(perhaps).chain([sure(Stage::Archived.arrival())]).collect()
        }
        (Stage::Archived, _) => std::iter::once(sure(Stage::Open.arrival())).chain(path(Stage::Open, to)).collect(),
        _ => along(from, to).into_iter().map(sure).collect(),
    }
}

fn along(from: Stage, to: Stage) -> Vec<&'static str> {
    let (start, end) = (from.place().unwrap_or(0), to.place().unwrap_or(0));
    if start < end {
        WAY[start + 1..=end].iter().map(|stage| stage.arrival()).collect()
    } else {
        WAY[end..start].iter().rev().map(|stage| stage.retreat_to()).collect()
    }
}

/// What somebody can do to a report, and the word for it in its history. `None`: the history has no word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The word.
    pub word: Option<&'static str>,
    /// The event that names it.
    pub event: &'static str,
    /// From where.
    pub from: Stage,
    /// To where.
    pub to: Stage,
}

/// What can be done with a report at `stage`, each with its weight.
pub fn deeds(stage: Stage) -> Vec<(u32, Deed)> {
    use Stage::{Approved, Archived, Odd, Open, Reimbursed, Submitted};
    let deed = |weight, word, event, to| (weight, Deed { word: Some(word), event, from: stage, to });
    let forward = |weight, word, to: Stage| deed(weight, word, to.arrival(), to);
    let silent = |weight, to: Stage| (weight, Deed { word: None, event: to.arrival(), from: stage, to });
    match stage {
        Open => vec![
            forward(60, "SUBMITTED", Submitted),
            forward(6, "APPROVED", Approved),
            forward(4, "MARKEDREIMBURSED", Reimbursed),
            forward(8, "CLOSED", Archived),
            silent(2, Odd),
        ],
        Submitted => vec![
            forward(60, "APPROVED", Approved),
            deed(8, "REJECTED", "report.reopened", Open),
            deed(6, "RETRACTED", "report.reopened", Open),
            forward(4, "MARKEDREIMBURSED", Reimbursed),
            forward(4, "ARCHIVED", Archived),
            silent(2, Odd),
        ],
        Approved => vec![
            forward(40, "REIMBURSED", Reimbursed),
            forward(10, "REIMBURSEMENTQUEUED", Reimbursed),
            deed(30, "UNAPPROVED", "report.unapproved", Submitted),
            forward(4, "CLOSED", Archived),
            silent(2, Odd),
        ],
        Reimbursed => vec![
            deed(30, "REIMBURSEMENTACHBOUNCE", "report.reimbursement_reverted", Approved),
            deed(10, "REIMBURSEMENTACHCANCELED", "report.reimbursement_reverted", Approved),
            forward(2, "ARCHIVED", Archived),
        ],
        Archived => vec![deed(20, "REOPENED", "report.reopened", Open)],
        Odd => vec![silent(20, Open), silent(20, Submitted), silent(20, Approved)],
    }
}
