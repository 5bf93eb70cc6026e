//! One lifecycle state from the three keys that tell it (reference section 3.7).

use event_model::{ReportState, UpstreamDate};

/// What a report says of its state.
pub(crate) struct Told<'a> {
    pub(crate) status: Option<&'a str>,
    pub(crate) state: Option<&'a str>,
    pub(crate) state_num: Option<i64>,
    pub(crate) approved: Option<UpstreamDate>,
    pub(crate) reimbursed: Option<UpstreamDate>,
}

/// `status` is always there and leads; `state` and the number help where it is blank or not known. A text that nothing
/// here knows is kept. `None`: the report tells no state at all.
pub(crate) fn resolve(told: &Told<'_>) -> Option<ReportState> {
    let texts = [told.status, told.state];
    let read = || texts.into_iter().flatten().map(ReportState::from_upstream);
    read().find(known).or_else(|| from_number(told)).or_else(|| read().next())
}

/// A state of the reference's table.
pub(crate) fn known(state: &ReportState) -> bool {
    !matches!(state, ReportState::Other(_))
}

/// 2 covers three states, told apart by the dates.
fn from_number(told: &Told<'_>) -> Option<ReportState> {
    match told.state_num? {
        0 => Some(ReportState::Open),
        1 => Some(ReportState::Submitted),
        2 if told.reimbursed.is_some() => Some(ReportState::Reimbursed),
        2 if told.approved.is_some() => Some(ReportState::Approved),
        2 => Some(ReportState::Archived),
        3 | 6 => Some(ReportState::Reimbursed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(status: Option<&'a str>, state: Option<&'a str>, state_num: Option<i64>) -> Told<'a> {
        Told { status, state, state_num, approved: None, reimbursed: None }
    }

    #[test]
    fn status_leads_and_the_others_help_out() {
        use ReportState::*;
        for (status, state, number, wanted) in [
            (Some("Processing"), Some("SUBMITTED"), Some(1), Some(Submitted)),
            (Some("Closed"), None, Some(2), Some(Archived)),
            (Some("Approved"), Some("OPEN"), Some(0), Some(Approved)),
            (Some("Mystery"), Some("BILLING"), None, Some(Reimbursed)),
            (Some("Mystery"), None, Some(6), Some(Reimbursed)),
            (Some("Mystery"), None, Some(9), Some(Other("MYSTERY".into()))),
            (None, Some("OPEN"), None, Some(Open)),
            (None, None, Some(1), Some(Submitted)),
            (None, None, Some(2), Some(Archived)),
            (None, None, Some(9), None),
            (None, None, None, None),
        ] {
            assert_eq!(resolve(&told(status, state, number)), wanted, "{status:?} {state:?} {number:?}");
        }
    }

    #[test]
    fn the_number_two_is_told_apart_by_dates() {
        let day = UpstreamDate::parse_blank("2026-04-02").unwrap();
        let approved = Told { approved: day, ..told(None, None, Some(2)) };
        assert_eq!(resolve(&approved), Some(ReportState::Approved));
        let paid = Told { approved: day, reimbursed: day, ..told(None, None, Some(2)) };
        assert_eq!(resolve(&paid), Some(ReportState::Reimbursed));
    }
}
