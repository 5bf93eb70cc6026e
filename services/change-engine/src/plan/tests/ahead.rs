//! What goes ahead of the paced queue.

use std::collections::BTreeSet;

use super::*;

#[test]
fn first_sights_go_first_and_are_not_paced() {
    let mut plan = plan([known(1, 60.0), unseen(2), unseen(1)]);
    assert_eq!(plan.decide(t(0)), Decision::Start(1));
    plan.started(&1, t(0));
    assert_eq!(plan.decide(t(0)), Decision::Start(2));
    plan.started(&2, t(0));
    assert_eq!(plan.decide(t(0)), Decision::WaitUntil(t(9_300)), "the paced one waits for what they cost");
    plan.ended(&1, complete(2), t(100), 0.5);
    assert!(plan.watches[&1].spec.baselined);
}

#[test]
fn with_nothing_baselined_first_sights_have_all_reads_to_themselves() {
    let mut plan = plan(vec![unseen(1); 8]);
    for key in 0..MAX_CONCURRENT_READS {
        assert_eq!(plan.decide(t(0)), Decision::Start(key));
        plan.started(&key, t(0));
    }
    assert_eq!(plan.decide(t(0)), Decision::WaitForEnd);
}

#[test]
fn a_first_sight_of_many_fat_windows_starves_nothing() {
    // Reads of the windows take two minutes each; the others are there in a moment.
    let window = Spec { class: Class::Window, ..unseen(2) };
    let mut plan = plan([vec![known(1, 60.0); 20], vec![window; 40]].concat());
    let starts = run(&mut plan, 0, HOUR_MS / 4, |key| if key < 20 { 300 } else { 120_000 });
    assert!(count(&starts, 20..60) >= 14.0, "two windows at a time: {}", count(&starts, 20..60));
    let requests = count(&starts, 0..20) + 2.0 * count(&starts, 20..60);
    assert!(requests > 270.0, "the budget is used: {requests}");
    assert!(count(&starts, 0..20) > 0.75 * requests, "{} of {requests}", count(&starts, 0..20));
}

#[test]
fn first_sights_that_are_quick_take_their_share_and_no_more() {
    let mut plan = plan([vec![known(1, 60.0); 20], vec![unseen(1); 400]].concat());
    let starts = run(&mut plan, 0, 600_000, |_| 300);
    let seen: BTreeSet<usize> = starts.iter().map(|(_, key)| *key).filter(|key| *key >= 20).collect();
    let share = seen.len() as f64 / starts.len() as f64;
    assert!((FIRST_SIGHT_SHARE..=FIRST_SIGHT_SHARE + 0.05).contains(&share), "{share}");
}

#[test]
fn the_age_cap_holds_while_first_sights_and_one_shots_crowd_in() {
    // A hundred turns are 620 s, and a fifth goes to what is ahead.
    let mut plan = plan([vec![known(1, 0.01); 100], vec![unseen(1); 20]].concat());
    plan.set_pace(PACE * 2);
    for n in 0..300 {
        plan.hurry(10_000 + n, 1, t(0));
    }
    let starts = run(&mut plan, 0, HOUR_MS, |key| if (100..120).contains(&key) { 60_000 } else { 300 });
    for key in 0..100 {
        let times: Vec<i64> = [0].into_iter().chain(starts.iter().filter(|s| s.1 == key).map(|s| s.0)).collect();
        let oldest = times.windows(2).map(|pair| pair[1] - pair[0]).max().expect("it was read");
        assert!(oldest <= 900_000, "watch {key} grew {oldest} ms old");
    }
    let one_shots = count(&starts, 10_000..10_300);
    assert!(one_shots > 0.09 * starts.len() as f64, "{one_shots} of {}", starts.len());
}

#[test]
fn what_goes_ahead_slows_down_but_never_stops_when_the_budget_does_not_suffice_for_the_cap() {
    let mut plan = plan([vec![known(1, 1.0); 400], vec![unseen(1); 100]].concat());
    for n in 0..300 {
        plan.hurry(10_000 + n, 1, t(0));
    }
    let starts = run(&mut plan, HOUR_MS, HOUR_MS / 2, |_| 300);
    let seen: BTreeSet<usize> = starts.iter().map(|(_, key)| *key).filter(|key| (400..500).contains(key)).collect();
    for part in [seen.len() as f64, count(&starts, 10_000..10_300)].map(|lane| lane / starts.len() as f64) {
        assert!((0.08..=0.13).contains(&part), "{part}");
    }
}

#[test]
fn slow_first_sights_of_any_kind_leave_room_for_what_is_known() {
    let mut plan = plan([vec![known(1, 60.0); 5], vec![unseen(2); 5]].concat());
    let starts = run(&mut plan, 0, 280_000, |key| if key < 5 { 300 } else { 300_000 });
    assert_eq!(count(&starts, 5..10), MAX_FIRST_SIGHTS as f64);
    assert!(count(&starts, 0..5) > 80.0, "{}", count(&starts, 0..5));
}

#[test]
fn a_hurried_watch_goes_before_everything_and_holds_the_paced_ones_back() {
    let mut plan = plan([known(1, 60.0), known(2, 0.1), unseen(1)]);
    plan.started(&0, t(0));
    plan.ended(&0, complete(1), t(10), 0.5);
    plan.hurry(1, 1, t(20));
    assert_eq!(plan.decide(t(20)), Decision::Start(1));
    plan.started(&1, t(20));
    plan.ended(&1, complete(2), t(30), 0.5);
    assert!(plan.contains(&1), "it is a watch");
    assert_eq!(plan.decide(t(30)), Decision::Start(2), "then the first sight");
    plan.started(&2, t(30));
    assert_eq!(plan.decide(t(30)), Decision::WaitUntil(t(4 * 3_100)));
}

#[test]
fn a_one_shot_waits_for_its_time_survives_failure_and_is_gone_when_complete() {
    let mut plan = plan([]);
    plan.hurry(7, 2, t(10_000));
    assert_eq!(plan.decide(t(0)), Decision::WaitUntil(t(10_000)));
    assert_eq!(plan.decide(t(10_000)), Decision::Start(7));
    plan.started(&7, t(10_000));
    plan.ended(&7, FAILED, t(11_000), 0.5);
    assert_eq!(plan.decide(t(11_000)), Decision::WaitUntil(t(16_000)));
    assert_eq!(plan.decide(t(16_000)), Decision::Start(7));
    plan.started(&7, t(16_000));
    plan.ended(&7, complete(2), t(17_000), 0.5);
    assert!(!plan.contains(&7));
}

#[test]
fn a_wish_during_a_read_is_fulfilled_by_another() {
    let mut plan = plan([known(1, 1.0)]);
    plan.started(&0, t(0));
    plan.hurry(0, 1, t(100));
    plan.hurry(9, 1, t(100));
    plan.started(&9, t(150));
    plan.hurry(9, 1, t(200));
    plan.ended(&0, complete(1), t(300), 0.5);
    assert_eq!(plan.decide(t(300)), Decision::Start(0));
    plan.started(&0, t(300));
    plan.ended(&9, complete(1), t(400), 0.5);
    assert!(plan.contains(&9), "it was asked for again");
}

#[test]
fn a_refresh_that_fails_stays_ahead_of_the_queue() {
    let mut plan = plan([known(1, 1.0), known(1, 1_000.0)]);
    plan.hurry(0, 1, t(0));
    plan.started(&0, t(0));
    plan.ended(&0, FAILED, t(100), 0.5);
    assert_eq!(plan.decide(t(5_100)), Decision::Start(0));
}

#[test]
fn a_wish_for_later_does_not_hold_a_watch_back_until_then() {
    let mut plan = plan([known(1, 60.0)]);
    plan.hurry(0, 1, t(3_600_000));
    assert_eq!(plan.decide(t(60_000)), Decision::Start(0));
}

#[test]
fn one_shots_take_their_share_and_no_more() {
    let mut plan = plan(vec![known(1, 60.0); 20]);
    for n in 0..500 {
        plan.hurry(100 + n, 1, t(0));
    }
    let starts = run(&mut plan, 0, 600_000, |_| 300);
    let share = count(&starts, 100..600) / starts.len() as f64;
    assert!((ONE_SHOT_SHARE..=ONE_SHOT_SHARE + 0.04).contains(&share), "{share}");
}

#[test]
fn one_shots_go_on_while_fat_reads_fill_what_the_paced_may_have() {
    let mut plan = plan(vec![known(1, 60.0); 8]);
    for key in 0..MAX_PACED {
        plan.started(&key, t(0));
    }
    assert_eq!(plan.decide(t(60_000)), Decision::WaitForEnd);
    plan.hurry(50, 2, t(60_000));
    assert_eq!(plan.decide(t(60_000)), Decision::Start(50));
}
