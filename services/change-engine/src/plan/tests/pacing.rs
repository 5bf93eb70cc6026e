use proptest::prelude::*;

use super::{super::watch::backoff, *};
use crate::budget::Limits;

#[test]
fn in_the_long_run_starts_go_by_the_root_of_rate_over_cost() {
    // Eight of each class, so that periods are many turns long; all stay under the age cap, which would bend the shares.
    let classes = [known(1, 64.0), known(1, 16.0), known(1, 4.0), known(4, 64.0)];
    let mut plan = plan(classes.iter().flat_map(|class| vec![class.clone(); 8]));
    let starts = run(&mut plan, 0, 6 * HOUR_MS, |_| 400);
    let share = |class: usize| count(&starts, class * 8..class * 8 + 8);
    for (class, relative) in [(1, 0.5), (2, 0.25), (3, 0.5)] {
        let ratio = share(class) / share(0);
        assert!((ratio / relative - 1.0).abs() < 0.1, "class {class}: {ratio} of the first, not {relative}");
    }
}

#[test]
fn a_weight_counts_like_a_rate() {
    let heavy = Spec { weight: 9.0, ..known(1, 5.0) };
    let mut plan = plan([vec![known(1, 5.0); 8], vec![heavy; 8]].concat());
    let starts = run(&mut plan, 0, 6 * HOUR_MS, |_| 100);
    let ratio = count(&starts, 8..16) / count(&starts, 0..8);
    assert!((2.7..=3.3).contains(&ratio), "{ratio}");
}

#[test]
fn paced_starts_lie_their_cost_apart() {
    let mut plan = plan([known(2, 60.0), known(1, 6.0)]);
    let starts = run(&mut plan, 0, 600_000, |_| 500);
    for pair in starts.windows(2) {
        let cost = if pair[0].1 == 0 { 2 } else { 1 };
        assert!(pair[1].0 - pair[0].0 >= cost * 3_100, "{pair:?}");
    }
    let requests: i64 = starts.iter().map(|(_, key)| if *key == 0 { 2 } else { 1 }).sum();
    assert!((188..=195).contains(&requests), "{requests} requests in ten minutes");
}

#[test]
fn a_slow_read_pays_for_the_time_that_it_holds_its_slot() {
    let mut plan = plan([known(2, 60.0)]);
    for _ in 0..2 {
        plan.started(&0, t(0));
        let slow = Ended::Complete { requests: 2, changes: 0, took: SignedDuration::from_secs(64), bytes: 1 };
        plan.ended(&0, slow, t(0), 0.5);
    }
    assert_eq!(plan.watches[&0].hold(PACE).as_millis(), 9_300, "one request more, for a minute more");
}

#[test]
fn nothing_grows_older_than_the_cap_however_quiet_it_is() {
    let mut plan = plan([vec![known(1, 1_000.0); 60], vec![known(1, 0.000_1); 60]].concat());
    let starts = run(&mut plan, 0, 2 * HOUR_MS, |_| 2_000);
    for key in 0..120 {
        let times: Vec<i64> = [0].into_iter().chain(starts.iter().filter(|s| s.1 == key).map(|s| s.0)).collect();
        let oldest = times.windows(2).map(|pair| pair[1] - pair[0]).max().expect("it was read");
        assert!(oldest <= 898_000, "watch {key} grew {oldest} ms old");
    }
}

#[test]
fn a_slow_read_starts_early_enough_to_be_over_before_the_cap() {
    let mut plan = plan([known(1, 1_000.0), known(1, 0.000_1)]);
    let slow = Ended::Complete { requests: 1, changes: 0, took: SignedDuration::from_secs(100), bytes: 1 };
    plan.started(&1, t(0));
    plan.ended(&1, slow, t(100_000), 0.5);
    let starts = run(&mut plan, 100_000, 800_000, |_| 300);
    let again = starts.iter().find(|(_, key)| *key == 1).expect("it is read");
    assert!(again.0 + 100_000 <= 900_000, "it starts at {} ms", again.0);
}

#[test]
fn the_sweep_of_many_windows_turns_slower_than_the_cap_and_leaves_three_quarters() {
    let window = Spec { class: Class::Window, ..known(2, 0.000_1) };
    let mut plan = plan([vec![known(2, 100.0)], vec![window; 100]].concat());
    let starts = run(&mut plan, 0, 3 * HOUR_MS, |_| 2_000);
    let part = count(&starts, 1..101) / starts.len() as f64;
    assert!((0.2..=0.3).contains(&part), "{part} of the reads are of the sweep");
    let each = (1..101).map(|key| count(&starts, key..key + 1));
    assert!(each.clone().fold(f64::MAX, f64::min) >= 3.0, "{:?}", each.collect::<Vec<_>>());
}

#[test]
fn the_one_longest_overdue_goes_first_among_those_at_the_cap() {
    let old = |s: i64| Spec { fresh_as_of: Some(t(-s * 1_000)), ..known(1, 0.001) };
    let mut plan = plan([known(1, 1e6), old(950), old(2_000)]);
    assert_eq!(plan.decide(t(60_000)), Decision::Start(2));
    plan.started(&2, t(60_000));
    assert_eq!(plan.decide(t(63_100)), Decision::Start(1));
}

#[test]
fn a_read_dated_in_the_future_does_not_put_its_watch_to_sleep() {
    let from_later = Spec { fresh_as_of: Some(t(86_400_000)), ..known(1, 0.001) };
    assert_eq!(plan([known(1, 1e6), from_later]).decide(t(60_000)), Decision::Start(1));
}

#[test]
fn a_slower_pace_holds_from_the_next_start_on() {
    let mut plan = plan([known(1, 60.0)]);
    plan.set_pace(PACE * 2);
    let starts = run(&mut plan, 0, 600_000, |_| 500);
    assert!((96..=98).contains(&starts.len()), "{}", starts.len());
}

#[test]
fn a_watch_under_way_is_not_started_again_even_when_it_was_taken_out_and_put_back() {
    let mut plan = plan([known(1, 60.0)]);
    plan.started(&0, t(0));
    plan.remove(&0);
    plan.put(0, unseen(1));
    assert_eq!(plan.decide(t(60_000)), Decision::WaitForEnd);
    plan.ended(&0, complete(1), t(60_000), 0.5);
    assert_eq!(plan.decide(t(70_000)), Decision::Start(0));
    plan.remove(&0);
    assert_eq!(plan.decide(t(70_000)), Decision::WaitForEnd, "nothing is left");
}

#[test]
fn putting_a_watch_again_keeps_what_its_reads_have_shown() {
    let mut plan = plan([unseen(2)]);
    plan.started(&0, t(0));
    plan.ended(&0, complete(3), t(500), 0.5);
    plan.put(0, Spec { weight: 5.0, ..unseen(2) });
    let planned = &plan.watches[&0];
    assert!(planned.spec.baselined);
    assert_eq!((planned.spec.cost, planned.spec.fresh_as_of, planned.spec.weight), (3, Some(t(0)), 5.0));
}

#[test]
fn failures_back_off_to_five_minutes_and_a_success_forgets_them() {
    let mut plan = plan([unseen(1)]);
    let (mut now, mut waits) = (0, Vec::new());
    for _ in 0..9 {
        plan.started(&0, t(now));
        plan.ended(&0, FAILED, t(now), 0.5);
        let Decision::WaitUntil(at) = plan.decide(t(now)) else { panic!("it backs off") };
        let wait = at.duration_since(t(now)).as_secs();
        waits.push(wait);
        now += wait * 1_000;
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    plan.started(&0, t(now));
    plan.ended(&0, complete(1), t(now), 0.5);
    assert_eq!(plan.failures(&0), 0);
    assert_eq!(plan.watches[&0].spec.fresh_as_of, Some(t(now)));
}

#[test]
fn a_failed_read_does_not_make_a_watch_younger_nor_hold_others_back() {
    let mut plan = plan([known(1, 60.0), known(1, 1.0)]);
    assert_eq!(plan.decide(t(60_000)), Decision::Start(0));
    plan.started(&0, t(60_000));
    plan.ended(&0, Ended::Failed { at_least: SignedDuration::from_secs(300) }, t(60_500), 0.0);
    assert_eq!(plan.watches[&0].spec.fresh_as_of, Some(t(0)));
    assert_eq!(plan.decide(t(63_100)), Decision::Start(1));
    plan.started(&1, t(63_100));
    assert_eq!(plan.decide(t(63_200)), Decision::WaitUntil(t(360_500)));
}

#[test]
fn a_read_teaches_the_rate_and_the_first_sight_does_not() {
    // It was read in an earlier run, and never to the end of its first sight.
    let mut plan = plan([Spec { fresh_as_of: Some(t(-60_000)), ..unseen(1) }]);
    let found = |changes| Ended::Complete { requests: 1, changes, took: SignedDuration::ZERO, bytes: 0 };
    plan.started(&0, t(0));
    plan.ended(&0, found(1_000_000), t(0), 0.5);
    assert_eq!(plan.rate(&0), Some(&RateRecord::default()));
    for minute in 1..30 {
        plan.started(&0, t(minute * 60_000));
        plan.ended(&0, found(2), t(minute * 60_000), 0.5);
    }
    let rate = plan.watches[&0].changes_per_hour;
    assert!((90.0..=130.0).contains(&rate), "{rate}");
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
        let wait = backoff(failures, SignedDuration::ZERO, chance);
        prop_assert!(wait >= FIRST_BACKOFF * 4 / 5 && wait <= LONGEST_BACKOFF * 6 / 5, "{wait}");
    }

    #[test]
    fn a_wait_is_never_answered_with_a_start_before_its_time(
        ages in prop::collection::vec(0i64..2_000_000, 1..8), unseen_too in 0usize..3, hurried in 0usize..3,
        paused in 0i64..10_000, early in 1i64..10_000,
    ) {
        let read = ages.iter().map(|age| Spec { fresh_as_of: Some(t(-age)), ..known(1, 5.0) });
        let mut plan = plan(read.chain(vec![unseen(2); unseen_too]));
        for n in 0..hurried {
            plan.hurry(100 + n, 2, t(early * 3 * n as i64));
        }
        plan.started(&0, t(paused));
        let mut now = t(paused);
        for _ in 0..20 {
            match plan.decide(now) {
                Decision::Start(key) => {
                    plan.started(&key, now);
                    plan.ended(&key, complete(1), now, 0.5);
                }
                Decision::WaitUntil(at) => {
                    prop_assert!(at > now);
                    let before = (at - SignedDuration::from_millis(early.min(3_000))).max(now);
                    prop_assert!(!matches!(plan.decide(before), Decision::Start(_)));
                    now = at;
                }
                Decision::WaitForEnd => break,
            }
        }
    }
}
