use super::*;

#[test]
fn a_small_version_of_the_bench_holds_its_bounds() {
    let medium = mix::mixes().remove(1);
    let short = |case: &Case| Case {
        past_h: case.past_h.min(4.0),
        hours: 1.0,
        watch_hours: 1.0,
        bound: case.bound + 0.05,
        ..*case
    };
    let figures = CASES.iter().filter(|case| case.pattern == Pattern::Steady).map(|case| run(&medium, &short(case)));
    let (line, broken) = line(&medium, figures.collect());
    assert!(broken.is_empty(), "{broken:?} in {line}");
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let small = mix::mixes().remove(0);
    let case = Case { past_h: 0.0, hours: 0.5, watch_hours: 1.0, ..CASES[2] };
    assert_eq!(run(&small, &case).line, run(&small, &case).line);
}

#[test]
fn the_integral_agrees_with_the_changes_that_happened() {
    let large = mix::mixes().remove(2);
    let case = Case { past_h: 0.5, hours: 2.0, watch_hours: 1.0, ..CASES[0] };
    let line = run(&large, &case).line;
    let value = |key: &str| line[key].as_f64().expect("a number");
    assert!((value("measured_s") / value("mean_s") - 1.0).abs() < 0.05, "{line:?}");
}

#[test]
fn the_checker_sees_what_is_one_too_many() {
    let apart = |count: i64, ms: i64| (0..count).map(move |n| n * ms).collect::<Vec<_>>();
    assert_eq!(check::violations(&apart(5, 0)), 0);
    assert_eq!(check::violations(&apart(6, 1_999)), 1);
    assert_eq!(check::violations(&apart(6, 2_000)), 0);
    assert_eq!(check::violations(&apart(100, 3_000)), 0);
    assert_eq!(check::violations(&apart(21, 2_999)), 1);
}

#[test]
fn a_tenants_changes_come_at_the_rates_it_says() {
    for mix in mix::mixes() {
        for pattern in [Pattern::Steady, Pattern::Bursts, Pattern::Zones] {
            let days = 10.0;
            let count: usize =
                (0..mix.watches.len()).map(|at| mix.changes(pattern, at, days * 86_400.0, 7).len()).sum();
            let per_hour = count as f64 / (days * 24.0);
            let expected: f64 = mix.watches.iter().map(|watched| watched.per_hour).sum();
            assert!((per_hour / expected - 1.0).abs() < 0.25, "{} {pattern:?}: {per_hour} of {expected}", mix.name);
        }
    }
}
