use event_model::{ReportState, Whereabouts};
use jiff::{SignedDuration, civil::date};
use proptest::prelude::*;

use super::{window::Width, *};

const TODAY: Date = date(2026, 4, 2);

fn took(seconds: i64, bytes: u64) -> Measure {
    Measure { took: SignedDuration::from_secs(seconds), bytes, rows: bytes / 1_400 }
}

fn cheap() -> Measure {
    Measure { took: SignedDuration::from_millis(200), bytes: 10_000, rows: 7 }
}

fn names(shape: &Shape, today: Date) -> Vec<String> {
    shape.scopes(today).iter().map(ReportScope::name).collect()
}

fn scope(shape: &Shape, name: &str) -> ReportScope {
    shape.scopes(TODAY).into_iter().find(|scope| scope.name() == name).unwrap_or_else(|| panic!("no {name}"))
}

fn split(history_days: u16) -> Shape {
    let mut shape = Shape::start(history_days);
    assert!(shape.timed_out(&scope(&shape, "reports"), TODAY));
    shape
}

/// Reads everything, each at this cost.
fn read_all(shape: &mut Shape, measure: Measure) -> bool {
    shape.scopes(TODAY).iter().fold(false, |changed, scope| {
        let still = shape.scopes(TODAY).contains(scope);
        (still && shape.measured(scope, TODAY, measure)) | changed
    })
}

fn at(state: ReportState, day: Date) -> Whereabouts {
    Whereabouts { policy: Some("A1".into()), state: Some(state), day: Some(day), ..Whereabouts::default() }
}

#[test]
fn a_cheap_account_is_read_whole_and_stays_so() {
    let mut shape = Shape::start(365);
    assert_eq!(names(&shape, TODAY), ["reports"]);
    assert!(!shape.measured(&scope(&shape, "reports"), TODAY, took(5, 5 << 20)));
    assert!(!shape.measured(&scope(&shape, "reports"), TODAY, took(25, 1 << 20)), "one slow answer is weather");
    assert!(!shape.measured(&scope(&shape, "reports"), TODAY, took(5, 1 << 20)));
    assert_eq!(names(&shape, TODAY), ["reports"]);
}

#[test]
fn a_slow_or_fat_or_endless_export_is_split() {
    for measure in [took(25, 1 << 20), took(2, 40 << 20)] {
        let mut shape = Shape::start(365);
        assert!(!shape.measured(&scope(&shape, "reports"), TODAY, measure));
        assert!(shape.measured(&scope(&shape, "reports"), TODAY, measure));
        assert!(shape.is_split());
    }
    let names = names(&split(365), TODAY);
    assert_eq!(names[..4], ["reports:active", "reports:recent", "reports:2025-04", "reports:2025-05"]);
    assert_eq!((names.len(), names.last().map(String::as_str)), (15, Some("reports:2026-04")));
}

#[test]
fn an_export_that_was_cheap_is_not_split_by_a_timeout_alone() {
    let mut shape = Shape::start(365);
    let whole = scope(&shape, "reports");
    let _ = shape.measured(&whole, TODAY, cheap());
    assert_eq!([0; 4].map(|_| shape.timed_out(&whole, TODAY)), [false, false, false, true]);
}

#[test]
fn no_export_asks_for_more_than_a_year_or_less_than_it_promises() {
    for history_days in [1, 30, 364, 365, 366, 1_000, u16::MAX] {
        let mut shape = Shape::start(history_days);
        for _ in 0..2 {
            for scope in shape.scopes(TODAY) {
                let (asked, sure) = (scope.dates(TODAY), scope.sure_days(TODAY));
                assert!(asked.start.until(asked.end).expect("days").get_days() <= MAX_SPAN_DAYS, "{scope:?}");
                assert!(asked.start < sure.start && (sure.end < asked.end || asked.end > TODAY), "{scope:?}");
                assert!(asked.end <= date(2026, 4, 3), "{scope:?}");
            }
            let _ = shape.timed_out(&shape.scopes(TODAY)[0], TODAY);
        }
    }
}

#[test]
fn a_long_history_is_read_by_windows_beyond_the_year() {
    let shape = Shape::start(500);
    let names = names(&shape, TODAY);
    assert_eq!((names[0].as_str(), names[1].as_str()), ("reports", "reports:2024-11"));
    assert_eq!(names.last().map(String::as_str), Some("reports:2025-04"));
}

#[test]
fn a_month_that_is_too_much_is_cut_into_thirds_and_days() {
    let mut shape = split(365);
    assert!(shape.timed_out(&scope(&shape, "reports:2026-02"), TODAY));
    let february =
        |shape: &Shape| names(shape, TODAY).into_iter().filter(|n| n.contains("2026-02")).collect::<Vec<_>>();
    let thirds = ["reports:2026-02-01..10", "reports:2026-02-11..20", "reports:2026-02-21..28"];
    assert_eq!(february(&shape), thirds);
    let last = scope(&shape, thirds[2]);
    for _ in 0..2 {
        let _ = shape.measured(&last, TODAY, took(61, 1));
    }
    assert_eq!(february(&shape).len(), 10);
    let day = scope(&shape, "reports:2026-02-28");
    assert!(!(0..9).any(|_| shape.timed_out(&day, TODAY)), "a day is the least");
}

#[test]
fn neighbours_that_are_cheap_together_are_joined_up_to_half_a_year() {
    let mut shape = split(365);
    let heavy = took(2, 9 << 20);
    assert!(read_all(&mut shape, heavy));
    read_all(&mut shape, heavy);
    let names = names(&shape, TODAY);
    // April is the present, and the second quarter of last year has lost its first half.
    assert_eq!(names[2..], ["2025-Q2", "2025-H2", "2026-Q1", "2026-04"].map(|name| format!("reports:{name}")));
    assert!(shape.is_split());
    for scope in shape.scopes(TODAY) {
        assert!(!shape.measured(&scope, TODAY, heavy), "{scope:?}: it has come to rest");
    }
}

#[test]
fn an_account_whose_windows_have_become_cheap_is_read_whole_again() {
    let mut shape = split(365);
    for _ in 0..4 {
        read_all(&mut shape, cheap());
    }
    assert_eq!(names(&shape, TODAY), ["reports"]);
}

#[test]
fn what_is_hot_reaches_less_far_back_while_it_is_too_much() {
    let mut shape = split(365);
    let days = |shape: &Shape| match shape.scopes(TODAY)[..2] {
        [ReportScope::Active { days: active }, ReportScope::Recent { days: recent }] => (active, recent),
        _ => panic!("it is split"),
    };
    assert_eq!(days(&shape), (364, 35));
    for name in ["reports:active", "reports:recent", "reports:active"] {
        let _ = shape.timed_out(&scope(&shape, name), TODAY);
    }
    assert_eq!(days(&shape), (91, 17));
    let active = scope(&shape, "reports:active");
    assert!(!shape.measured(&active, TODAY, took(8, 1)));
    assert!(shape.measured(&active, TODAY, took(2, 1)));
    assert_eq!(days(&shape), (182, 17));
}

#[test]
fn a_window_keeps_its_name_and_days_as_time_goes_by() {
    let shape = split(365);
    let later = date(2026, 5, 20);
    let kept: Vec<ReportScope> = shape.scopes(TODAY).into_iter().filter(|s| shape.scopes(later).contains(s)).collect();
    assert_eq!(kept.len(), 14, "active, recent, and all months but the first: {kept:?}");
    assert!(names(&shape, later).contains(&"reports:2026-05".to_owned()));
}

#[test]
fn a_read_has_to_show_what_lies_well_inside_and_nothing_else() {
    let (all, active) = (ReportScope::Whole { days: 364 }, ReportScope::Active { days: 364 });
    let month = ReportScope::Window { from: date(2026, 3, 1), until: date(2026, 3, 31) };
    let present = ReportScope::Window { from: date(2026, 4, 1), until: date(2026, 4, 30) };
    let shows = |scope: &ReportScope, state, day| must_show(scope, &at(state, day), |id| id == Some("A1"), TODAY);
    assert!(shows(&all, ReportState::Archived, TODAY));
    assert!(shows(&all, ReportState::Open, date(2025, 4, 5)));
    assert!(!shows(&all, ReportState::Open, date(2025, 4, 4)), "it is leaving the year");
    assert!(!shows(&all, ReportState::Open, date(2026, 4, 3)), "it is dated tomorrow");
    assert!(!shows(&all, ReportState::Other("HELD".into()), TODAY), "that state was not asked for");
    assert!(shows(&active, ReportState::Approved, TODAY));
    assert!(!shows(&active, ReportState::Reimbursed, TODAY));
    for (day, expected) in [(date(2026, 2, 28), false), (date(2026, 3, 1), true), (date(2026, 3, 31), true)] {
        assert_eq!(shows(&month, ReportState::Reimbursed, day), expected, "{day}");
    }
    assert!(shows(&present, ReportState::Open, TODAY));
    assert!(!shows(&present, ReportState::Open, date(2026, 4, 20)));
    let known = at(ReportState::Open, TODAY);
    assert!(!must_show(&all, &known, |id| id == Some("B2"), TODAY));
    assert!(!must_show(&all, &Whereabouts { day: None, ..known.clone() }, |_| true, TODAY));
    assert!(!must_show(&all, &Whereabouts { state: None, ..known }, |_| true, TODAY));
}

#[test]
fn a_report_of_a_day_that_was_shown_is_new_and_of_another_was_there() {
    let mut shape = Shape::start(90);
    let whole = scope(&shape, "reports");
    assert!(!shape.has_seen(TODAY));
    let _ = shape.measured(&whole, TODAY, cheap());
    assert!(shape.has_seen(TODAY) && shape.has_seen(date(2026, 7, 1)) && !shape.has_seen(date(2025, 12, 1)));
    assert!(shape.is_seen(&whole, date(2026, 6, 1)));
    let mut shape = split(90);
    assert!(shape.scopes(TODAY).iter().all(|scope| !shape.is_seen(scope, TODAY)));
    for name in ["reports:active", "reports:2026-02"] {
        let _ = shape.measured(&scope(&shape, name), TODAY, cheap());
    }
    assert!(shape.has_seen(date(2026, 2, 28)) && !shape.has_seen(date(2026, 3, 1)), "active shows not all states");
    assert!(shape.timed_out(&scope(&shape, "reports:2026-03"), TODAY));
    shape.forget_seen();
    assert!(!shape.has_seen(date(2026, 2, 28)));
}

#[test]
fn the_parts_of_a_window_that_was_seen_are_baselined() {
    let mut shape = split(365);
    let _ = shape.measured(&scope(&shape, "reports:2026-02"), TODAY, took(61, 1));
    assert!(shape.measured(&scope(&shape, "reports:2026-02"), TODAY, took(61, 1)));
    assert!(shape.is_seen(&scope(&shape, "reports:2026-02-11..20"), TODAY));
    assert!(!shape.is_seen(&scope(&shape, "reports:2026-03"), TODAY));
}

#[test]
fn a_shape_is_kept_and_takes_a_new_history_over() {
    let mut shape = split(365);
    let _ = shape.timed_out(&scope(&shape, "reports:2026-02"), TODAY);
    let _ = shape.measured(&scope(&shape, "reports:2025-12"), TODAY, took(61, 7));
    let text = serde_json::to_string(&shape).expect("json");
    let mut back: Shape = serde_json::from_str(&text).expect("reads back");
    assert_eq!(back, shape);
    back.resume(60);
    assert_eq!(names(&back, TODAY).len(), 2 + 3 + 1 + 1, "{:?}", names(&back, TODAY));
}

#[test]
fn an_upstream_that_answers_nothing_makes_no_more_windows_than_there_may_be() {
    let mut shape = split(1_500);
    for _ in 0..6 {
        for scope in shape.scopes(TODAY) {
            let _ = shape.timed_out(&scope, TODAY);
        }
    }
    assert!(shape.scopes(TODAY).len() <= MAX_WINDOWS);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_day_of_the_history_is_shown_by_some_export(
        history_days in 1u16..900, steps in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4), 0..60),
        later in 0i32..400,
    ) {
        let mut shape = Shape::start(history_days);
        for (index, what) in steps {
            let scopes = shape.scopes(TODAY);
            let scope = index.get(&scopes);
            let _ = match what {
                0 => shape.timed_out(scope, TODAY),
                1 => shape.measured(scope, TODAY, took(70, 1)),
                _ => shape.measured(scope, TODAY, cheap()),
            };
        }
        let today = days_after(TODAY, later);
        let scopes = shape.scopes(today);
        let unique: BTreeSet<String> = scopes.iter().map(ReportScope::name).collect();
        prop_assert_eq!(unique.len(), scopes.len());
        // The oldest days of a history of up to a year are leaving it.
        let edge = if shape.is_split() || history_days > 365 { 0 } else { 2 };
        for back in 0..=i32::from(history_days) - edge {
            let known = at(ReportState::Reimbursed, days_after(today, -back));
            let shown = scopes.iter().any(|scope| must_show(scope, &known, |_| true, today));
            prop_assert!(shown, "{} days back: {:?}", back, scopes);
        }
    }

    #[test]
    fn windows_tile_into_wider_ones(days in 0i32..20_000) {
        let day = days_after(date(1999, 12, 30), days);
        for width in [Width::Day, Width::Third, Width::Month, Width::Quarter] {
            let (start, end) = (width.start(day), width.end(day));
            prop_assert!(start <= day && day <= end);
            prop_assert_eq!((width.start(end), width.end(start)), (start, end));
            let wider = width.wider().expect("one is wider");
            prop_assert!(wider.start(day) <= start && end <= wider.end(day));
            prop_assert_eq!(wider.narrower(), Some(width));
        }
    }
}
