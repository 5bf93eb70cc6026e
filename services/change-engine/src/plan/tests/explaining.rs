use super::*;

fn whys(plan: &Plan<usize>, now: Timestamp) -> Vec<&'static str> {
    plan.explain(now).iter().map(|explained| explained.why.as_str()).collect()
}

#[test]
fn the_plan_says_of_each_watch_what_drives_or_holds_it() {
    let old = Spec { fresh_as_of: Some(t(-890_000)), ..known(1, 0.000_1) };
    let mut plan = plan([known(1, 60.0), known(1, 60.0), unseen(1), old, known(1, 0.001), known(1, 60.0)]);
    plan.hurry(9, 1, t(0));
    plan.started(&0, t(5_000));
    plan.started(&1, t(5_000));
    plan.ended(&1, FAILED, t(6_000), 0.5);
    plan.hurry(5, 1, t(7_000));
    let whys = whys(&plan, t(8_000));
    assert_eq!(whys, ["in_flight", "backoff", "first_sight", "cap", "waiting", "hurried", "hurried"]);
    assert_eq!(self::whys(&plan, t(20_000))[1], "due");
}

#[test]
fn planned_periods_are_what_the_plan_does() {
    let specs = [known(1, 100.0), known(1, 20.0), known(2, 20.0), known(1, 0.000_1), known(1, 5.0)];
    let mut plan = plan(specs.iter().flat_map(|spec| vec![spec.clone(); 6]));
    let planned: Vec<f64> = plan.explain(t(0)).iter().map(|e| e.period.expect("it recurs").as_secs_f64()).collect();
    let starts = run(&mut plan, 0, 8 * HOUR_MS, |_| 300);
    for (key, planned) in planned.iter().enumerate() {
        let real = 8.0 * 3_600.0 / count(&starts, key..key + 1);
        assert!((real / planned - 1.0).abs() < 0.12, "watch {key}: every {real} s, planned {planned}");
    }
}

#[test]
fn what_the_caps_take_is_not_planned_twice() {
    let mut plan = plan([vec![known(1, 50.0); 6], vec![known(1, 0.000_1); 140]].concat());
    let planned = plan.explain(t(0))[0].period.expect("it recurs").as_secs_f64();
    let starts = run(&mut plan, 0, 3 * HOUR_MS, |_| 300);
    let real = 6.0 * 3.0 * 3_600.0 / count(&starts, 0..6);
    assert!((real / planned - 1.0).abs() < 0.12, "every {real} s, planned {planned}");
}

#[test]
fn the_expected_delay_is_half_the_period_and_the_read() {
    let mut plan = plan([known(2, 60.0)]);
    plan.started(&0, t(0));
    plan.ended(&0, complete(2), t(400), 0.5);
    let explained = plan.explain(t(1_000)).remove(0);
    assert_eq!(explained.period, Some(PACE * 2), "it is read back to back");
    assert_eq!(explained.expected_delay, Some(SignedDuration::from_millis(3_400)));
    assert_eq!(explained.age, Some(SignedDuration::from_secs(1)));
    assert_eq!((explained.cost, explained.bytes, explained.one_shot), (2, Some(100), false));
}
