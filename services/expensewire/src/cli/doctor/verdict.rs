//! What is said of a budget, a clock, a store: the same, whether the service told or the doctor looked.

use event_model::status::BudgetStatus;
use event_store::StoreError;

use super::check::Check;

/// Seconds that the two clocks may differ: a date filter of an export then still falls on the right day, and receivers,
/// who allow five minutes, take our timestamps.
const CLOCK_WARN_S: f64 = 30.0;
/// From here on receivers refuse what we sign.
const CLOCK_FAIL_S: f64 = 240.0;

pub(super) fn of_clock(account: &str, offset_s: Option<f64>) -> Check {
    let Some(offset_s) = offset_s else {
        return Check::skipped("clock", "no answer of the upstream has told its time yet").about(account);
    };
    let way = if offset_s >= 0.0 { "ahead of ours" } else { "behind ours" };
    let what = format!("the upstream's is {:.0} s {way}", offset_s.abs());
    let check = match offset_s.abs() {
        off if off >= CLOCK_FAIL_S => Check::fail("clock", what),
        off if off >= CLOCK_WARN_S => Check::warn("clock", what),
        _ => Check::ok("clock", what),
    };
    let check = match offset_s.abs() >= CLOCK_WARN_S {
        true => check
            .why("receivers refuse deliveries whose timestamp is five minutes off, and date windows of exports shift")
            .next("set this machine's clock, best by NTP"),
        false => check,
    };
    check.about(account).measure("clock_offset_seconds", offset_s)
}

pub(super) fn of_budget(account: &str, budget: &BudgetStatus) -> Check {
    let windows = budget.windows.iter().map(|one| format!("{} of {} in {} s", one.used, one.limit, one.window_s));
    let windows: Vec<String> = windows.collect();
    let what = match windows.as_slice() {
        [] => "nothing is known of it yet".to_owned(),
        known => format!("in use: {}", known.join(", ")),
    };
    let left = budget.windows.iter().map(|one| one.limit.saturating_sub(one.used)).min();
    let check = if budget.share < budget.configured_share {
        let since = budget.last_limited_at.map_or_else(String::new, |at| format!(", the last time at {at}"));
        Check::warn("budget", format!("{what}; only {:.0} % of the limit is used", budget.share * 100.0))
            .why(format!("the upstream said that there were too many requests{since}: somebody else uses the pair"))
            .next("leave them a part by accounts.NAME.budget.share, or give them a pair of their own")
    } else {
        Check::ok("budget", what)
    };
    match left {
        Some(left) => check.about(account).measure("budget_left_requests", f64::from(left)),
        None => check.about(account),
    }
}

/// A log that is not what was written, from `sequence` on where that is known.
pub(super) fn of_damage(told: String, sequence: Option<u64>) -> Check {
    let check = Check::fail("log", told)
        .why("what was written is not what is there")
        .next("stop the service, keep the directory as it is, and restore a backup beside it");
    #[expect(clippy::cast_precision_loss, reason = "sequences are far below 2^53")]
    sequence.into_iter().fold(check, |check, sequence| check.measure("log_damaged_sequence", sequence as f64))
}

/// What an error of the store means for the log.
pub(super) fn of_store(error: &StoreError) -> Check {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    let check = Check::fail("log", told.as_str());
    match error {
        StoreError::Corrupt { sequence } | StoreError::Unchained { sequence, .. } => of_damage(told, Some(sequence.0)),
        StoreError::CorruptValue { .. } => of_damage(told, None),
        _ => check.next("`expensewire log verify` says more"),
    }
}

#[cfg(test)]
mod tests {
    use event_model::status::WindowStatus;

    use super::{super::check::State, *};

    #[test]
    fn a_clock_is_judged_by_what_receivers_and_date_windows_bear() {
        for (offset_s, state) in [
            (Some(0.0), State::Ok),
            (Some(-29.0), State::Ok),
            (Some(30.0), State::Warn),
            (Some(-300.0), State::Fail),
            (None, State::Skipped),
        ] {
            assert_eq!(of_clock("acme", offset_s).state, state, "{offset_s:?}");
        }
        assert!(of_clock("acme", Some(-300.0)).what.contains("300 s behind ours"));
    }

    #[test]
    fn a_share_that_was_lowered_is_a_warning_with_its_reason() {
        let windows =
            vec![WindowStatus { window_s: 10, used: 2, limit: 5 }, WindowStatus { window_s: 60, used: 19, limit: 20 }];
        let budget = |share| BudgetStatus {
            windows: windows.clone(),
            share,
            configured_share: 1.0,
            last_limited_at: Some("2026-04-02T09:14:00Z".parse().unwrap()),
            next_start_at: None,
        };
        let full = of_budget("acme", &budget(1.0));
        assert_eq!((full.state, full.measure.unwrap().value), (State::Ok, 1.0));
        let half = of_budget("acme", &budget(0.5));
        assert!(half.state == State::Warn && half.why.unwrap().contains("2026-04-02T09:14:00Z"));
    }
}
