use proptest::prelude::*;

use super::*;

fn t(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_775_000_000_000 + ms).expect("a time of this century")
}

fn watch(cost: u32, changes_per_hour: f64) -> Watch {
    Watch { cost, changes_per_hour, weight: 1.0, baselined: true, fresh_as_of: Some(t(0)) }
}

fn unseen(cost: u32) -> Watch {
    Watch { baselined: false, fresh_as_of: None, ..watch(cost, 1.0) }
}

const PACE: SignedDuration = SignedDuration::from_millis(3_100);
const AT_ONCE: SignedDuration = SignedDuration::ZERO;

/// Starts whatever may start for so long, each read taking `read_ms`; the starts in order.
fn run(plan: &mut Plan, from_ms: i64, for_ms: i64, read_ms: i64) -> Vec<(i64, WatchId)> {
    let (mut now, mut starts, mut reads) = (from_ms, Vec::new(), Vec::<(i64, WatchId, u32)>::new());
    while now < from_ms + for_ms {
        for (_, id, requests) in reads.extract_if(.., |(end, ..)| *end <= now) {
            plan.ended(id, Ended::Complete { requests }, t(now), 0.5);
        }
        let next_end = reads.iter().map(|(end, ..)| *end).min();
        match plan.decide(t(now)) {
            Decision::Start(id) => {
                plan.started(id, t(now));
                reads.push((now + read_ms, id, plan.watch(id).cost));
                starts.push((now, id));
            }
            Decision::WaitUntil(at) => {
                assert!(at > t(now), "a wait lies ahead");
                let at = at.duration_since(t(0)).as_millis() as i64;
                now = next_end.map_or(at, |end| end.min(at));
            }
            Decision::WaitForEnd => now = next_end.expect("a read is under way"),
        }
    }
    starts
}

fn share(starts: &[(i64, WatchId)], id: usize) -> f64 {
    starts.iter().filter(|(_, started)| *started == WatchId(id)).count() as f64
}

#[test]
fn in_the_long_run_starts_go_by_the_root_of_rate_over_cost() {
    // Eight of each class, so that periods are many turns long; all stay under the age cap, which would bend the shares.
    let classes = [watch(1, 64.0), watch(1, 16.0), watch(1, 4.0), watch(4, 64.0)];
    let watches = classes.iter().flat_map(|class| vec![class.clone(); 8]).collect();
    let starts = run(&mut Plan::new(watches, PACE), 0, 24 * 3_600_000, 400);
    let share = |class: usize| (class * 8..class * 8 + 8).map(|id| share(&starts, id)).sum::<f64>();
    for (class, relative) in [(1, 0.5), (2, 0.25), (3, 0.5)] {
        let ratio = share(class) / share(0);
        assert!((ratio / relative - 1.0).abs() < 0.1, "class {class}: {ratio} of the first, not {relative}");
    }
}

#[test]
fn a_weight_counts_like_a_rate() {
    let heavy = Watch { weight: 9.0, ..watch(1, 5.0) };
    let starts = run(&mut Plan::new([vec![watch(1, 5.0); 8], vec![heavy; 8]].concat(), PACE), 0, 24 * 3_600_000, 100);
    let ratio = share(&starts, 8) / share(&starts, 0);
    assert!((2.7..=3.3).contains(&ratio), "{ratio}");
}

#[test]
fn paced_starts_lie_their_cost_apart() {
    let starts = run(&mut Plan::new(vec![watch(2, 60.0), watch(1, 6.0)], PACE), 0, 600_000, 500);
    for pair in starts.windows(2) {
        let cost = if pair[0].1 == WatchId(0) { 2 } else { 1 };
        assert!(pair[1].0 - pair[0].0 >= cost * 3_100, "{pair:?}");
    }
    let requests: i64 = starts.iter().map(|(_, id)| if id.0 == 0 { 2 } else { 1 }).sum();
    assert!((188..=195).contains(&requests), "{requests} requests in ten minutes");
}

#[test]
fn nothing_grows_older_than_the_cap_however_quiet_it_is() {
    let mut watches = vec![watch(1, 1_000.0); 60];
    watches.extend(vec![watch(1, 0.000_1); 60]);
    let starts = run(&mut Plan::new(watches, PACE), 0, 4 * 3_600_000, 2_000);
    for id in 0..120 {
        let times: Vec<i64> = [0].into_iter().chain(starts.iter().filter(|s| s.1.0 == id).map(|s| s.0)).collect();
        let oldest = times.windows(2).map(|pair| pair[1] - pair[0]).max().expect("it was read");
        assert!(oldest <= 900_000, "watch {id} grew {oldest} ms old");
    }
}

#[test]
fn the_one_longest_overdue_goes_first_among_those_at_the_cap() {
    let old = |s: i64| Watch { fresh_as_of: Some(t(-s * 1_000)), ..watch(1, 0.001) };
    let mut plan = Plan::new(vec![watch(1, 1e6), old(950), old(2_000)], PACE);
    assert_eq!(plan.decide(t(60_000)), Decision::Start(WatchId(2)));
    plan.started(WatchId(2), t(60_000));
    assert_eq!(plan.decide(t(63_100)), Decision::Start(WatchId(1)));
}

#[test]
fn a_read_dated_in_the_future_does_not_put_its_watch_to_sleep() {
    let from_later = Watch { fresh_as_of: Some(t(86_400_000)), ..watch(1, 0.001) };
    assert_eq!(Plan::new(vec![watch(1, 1e6), from_later], PACE).decide(t(60_000)), Decision::Start(WatchId(1)));
}

#[test]
fn first_sights_go_first_and_are_not_paced() {
    let mut plan = Plan::new(vec![watch(1, 60.0), unseen(2), unseen(1)], PACE);
    assert_eq!(plan.decide(t(0)), Decision::Start(WatchId(1)));
    plan.started(WatchId(1), t(0));
    assert_eq!(plan.decide(t(0)), Decision::Start(WatchId(2)));
    plan.started(WatchId(2), t(0));
    assert_eq!(plan.decide(t(0)), Decision::WaitUntil(t(9_300)), "the paced one waits for what they cost");
    plan.ended(WatchId(1), Ended::Complete { requests: 2 }, t(100), 0.5);
    assert!(plan.watch(WatchId(1)).baselined);
}

#[test]
fn a_watch_under_way_is_not_started_again_and_reads_are_bounded() {
    let mut plan = Plan::new(vec![unseen(1); 6], PACE);
    for id in 0..MAX_CONCURRENT_READS {
        assert_eq!(plan.decide(t(0)), Decision::Start(WatchId(id)));
        plan.started(WatchId(id), t(0));
    }
    assert_eq!(plan.decide(t(0)), Decision::WaitForEnd);
    plan.ended(WatchId(2), Ended::Complete { requests: 1 }, t(1), 0.5);
    assert_eq!(plan.decide(t(1)), Decision::Start(WatchId(4)));
}

#[test]
fn failures_back_off_to_five_minutes_and_a_success_forgets_them() {
    let mut plan = Plan::new(vec![unseen(1)], PACE);
    let (mut now, mut waits) = (0, Vec::new());
    for _ in 0..9 {
        plan.started(WatchId(0), t(now));
        plan.ended(WatchId(0), Ended::Failed { at_least: AT_ONCE }, t(now), 0.5);
        let Decision::WaitUntil(at) = plan.decide(t(now)) else { panic!("it backs off") };
        let wait = at.duration_since(t(now)).as_secs();
        waits.push(wait);
        now += wait * 1_000;
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    plan.started(WatchId(0), t(now));
    plan.ended(WatchId(0), Ended::Complete { requests: 1 }, t(now), 0.5);
    assert_eq!(plan.failures(WatchId(0)), 0);
    assert_eq!(plan.watch(WatchId(0)).fresh_as_of, Some(t(now)));
}

#[test]
fn a_failed_read_does_not_make_a_watch_younger_nor_hold_others_back() {
    let mut plan = Plan::new(vec![watch(1, 60.0), watch(1, 1.0)], PACE);
    assert_eq!(plan.decide(t(60_000)), Decision::Start(WatchId(0)));
    plan.started(WatchId(0), t(60_000));
    plan.ended(WatchId(0), Ended::Failed { at_least: SignedDuration::from_secs(300) }, t(60_500), 0.0);
    assert_eq!(plan.watch(WatchId(0)).fresh_as_of, Some(t(0)));
    assert_eq!(plan.decide(t(63_100)), Decision::Start(WatchId(1)));
    plan.started(WatchId(1), t(63_100));
    assert_eq!(plan.decide(t(63_200)), Decision::WaitUntil(t(360_500)));
}

#[test]
fn the_pace_is_that_of_the_narrower_window() {
    assert_eq!(pace(Limits::new(5, 20, 1.0)).as_millis(), 3_099);
    assert_eq!(pace(Limits::new(5, 20, 0.5)).as_millis(), 6_198);
    assert_eq!(pace(Limits::new(1, 20, 1.0)).as_millis(), 10_330);
}

proptest! {
    #[test]
    fn a_backoff_stays_within_its_spread(failures in 1u32..u32::MAX, chance in 0.0..=1.0f64) {
        let wait = backoff(failures, AT_ONCE, chance);
        prop_assert!(wait >= FIRST_BACKOFF * 4 / 5 && wait <= LONGEST_BACKOFF * 6 / 5, "{wait}");
    }

    #[test]
    fn a_wait_is_never_answered_with_a_start_before_its_time(
        ages in prop::collection::vec(0i64..2_000_000, 1..8), paused in 0i64..10_000, early in 1i64..10_000,
    ) {
        let watches = ages.iter().map(|age| Watch { fresh_as_of: Some(t(-age)), ..watch(1, 5.0) }).collect();
        let mut plan = Plan::new(watches, PACE);
        plan.started(WatchId(0), t(paused));
        if let Decision::WaitUntil(at) = plan.decide(t(paused)) {
            let before = at - SignedDuration::from_millis(early.min(3_000));
            prop_assert!(!matches!(plan.decide(before.max(t(paused))), Decision::Start(_)));
            prop_assert!(matches!(plan.decide(at), Decision::Start(_)));
        }
    }
}
