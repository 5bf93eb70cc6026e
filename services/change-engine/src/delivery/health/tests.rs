use event_model::Sequence;

use super::*;

const QUICK: Duration = Duration::from_millis(3);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn key(n: u64) -> Key {
    Key::Event(Sequence(n))
}

fn health() -> Health {
    Health::new(Patience::default(), 32, None)
}

fn fail(health: &mut Health, n: u64, second: i64) -> Consequence {
    health.failed(&key(n), &Outcome::Refused, None, at(second), at(second), 0.5)
}

/// A suspended endpoint that began to fail at 0.
fn suspended() -> Health {
    let mut health = health();
    for n in 1..=7 {
        assert_eq!(fail(&mut health, n, 0), Consequence::None);
    }
    assert_eq!(fail(&mut health, 8, 0), Consequence::Suspended);
    health
}

#[test]
fn width_begins_small_doubles_with_each_round_trip_and_halves_with_failures_of_the_endpoint() {
    let mut health = health();
    assert_eq!(health.width(), FIRST_WIDTH);
    for width in [2, 4, 8, 16, 32, 32] {
        (0..health.width()).for_each(|_| assert!(!health.succeeded(QUICK)));
        assert_eq!(health.width(), width);
    }
    let _ = health.failed(&key(1), &Outcome::Status { status: 500 }, None, at(0), at(0), 0.5);
    assert_eq!(health.width(), 32, "one event was refused; the endpoint works");
    for width in [16, 8, 4, 2, 1, 1] {
        let _ = fail(&mut health, 1, 0);
        assert_eq!(health.width(), width);
    }
}

#[test]
fn a_slow_endpoint_gets_few_at_once_until_it_is_quick_again() {
    let mut health = health();
    (0..40).for_each(|_| assert!(!health.succeeded(QUICK)));
    assert!(!health.succeeded(Duration::from_secs(2)));
    assert_eq!((health.width(), health.is_slow()), (SLOW_WIDTH, true));
    assert!(!health.succeeded(QUICK));
    assert_eq!((health.width(), health.is_slow()), (32, false));
}

#[test]
fn an_overloaded_endpoint_is_left_alone_for_as_long_as_it_says_or_for_a_wait_that_doubles() {
    for status in [429, 502, 503, 504] {
        let (mut health, outcome) = (health(), Outcome::Status { status });
        let _ = health.failed(&key(1), &outcome, Some(Duration::from_secs(90)), at(0), at(0), 0.5);
        assert_eq!(health.admission(at(89)), Admission::Held(at(90)), "{status}");
        assert_eq!(health.admission(at(90)), Admission::Open, "{status}");
        let mut health = Health::new(Patience::default(), 32, None);
        for (now, until) in [(0, 1), (1, 3), (3, 7), (7, 15)] {
            let _ = health.failed(&key(1), &outcome, None, at(now), at(now), 0.5);
            assert_eq!(health.admission(at(now)), Admission::Held(at(until)), "{status}");
        }
    }
    for status in [400, 404, 500, 501] {
        let mut health = health();
        let _ = health.failed(&key(1), &Outcome::Status { status }, None, at(0), at(0), 0.5);
        assert_eq!(health.admission(at(0)), Admission::Open, "{status}: only its entity waits");
    }
}

#[test]
fn it_is_suspended_when_several_fail_and_none_arrives_and_probed_ever_more_seldom() {
    let mut health = suspended();
    let mut now = 0;
    for wait in [5, 15, 45, 135, 405, 900, 900] {
        assert_eq!(health.admission(at(now)), Admission::Probe(at(now + wait)));
        now += wait;
        assert_eq!(fail(&mut health, 1, now), Consequence::None);
    }
    assert!(health.succeeded(QUICK), "that ends it");
    assert_eq!((health.admission(at(now)), health.trouble()), (Admission::Open, None));
}

#[test]
fn one_event_that_is_always_refused_suspends_nothing() {
    let mut health = health();
    for second in 0..100 {
        assert_eq!(fail(&mut health, 1, second), Consequence::None);
        assert_eq!(fail(&mut health, 2, second), Consequence::None);
    }
    assert!(!health.is_suspended());
}

#[test]
fn a_success_in_between_counts_as_health() {
    let mut health = health();
    for n in 0..100 {
        assert_eq!(fail(&mut health, n, 0), Consequence::None);
        if n % 7 == 6 {
            assert!(!health.succeeded(QUICK));
        }
    }
}

#[test]
fn five_days_without_a_success_are_hopeless_unless_a_person_lets_it_go_on() {
    const DAY: i64 = 24 * 3_600;
    let mut health = suspended();
    assert_eq!(fail(&mut health, 1, 5 * DAY - 1), Consequence::None);
    assert_eq!(fail(&mut health, 1, 5 * DAY), Consequence::Hopeless);
    let mut resumed = Health::new(Patience::default(), 32, health.trouble());
    resumed.forgive(at(6 * DAY));
    assert_eq!((resumed.admission(at(6 * DAY)), resumed.width()), (Admission::Open, 1));
    assert_eq!(fail(&mut resumed, 1, 7 * DAY), Consequence::None);
}

#[test]
fn a_retry_after_holds_a_suspended_endpoint_too() {
    let mut health = suspended();
    let busy = Outcome::Status { status: 503 };
    let _ = health.failed(&key(1), &busy, Some(Duration::from_secs(86_400)), at(10), at(10), 0.5);
    assert_eq!(health.admission(at(10)), Admission::Probe(at(86_410)));
}

#[test]
fn what_was_in_flight_when_a_wait_was_decided_lengthens_no_wait() {
    let began = at(-1);
    let mut health = suspended();
    for n in 9..40 {
        let late = health.failed(&key(n), &Outcome::Refused, None, began, at(1), 0.5);
        assert_eq!((late, health.admission(at(1))), (Consequence::None, Admission::Probe(at(5))));
    }
    let mut health = self::health();
    let busy = Outcome::Status { status: 503 };
    for n in 1..=7 {
        let _ = health.failed(&key(n), &busy, None, began, at(0), 0.5);
        assert_eq!(health.admission(at(0)), Admission::Held(at(1)), "{n}");
    }
    let _ = health.failed(&key(8), &busy, None, began, at(0), 0.5);
    assert_eq!(health.admission(at(0)), Admission::Probe(at(5)), "several failed and none arrived");
}
