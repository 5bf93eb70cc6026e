use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use super::{
    model::{Door, Fate, Persisted, Request, Restart, Script, arrivals, violation},
    *,
};

fn t(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_775_000_000 + seconds).expect("a time of this century")
}

fn latency_ms() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1u64..200, 3 => 200u64..12_000, 1 => 12_000u64..300_000]
}

fn request() -> impl Strategy<Value = Request> {
    let fate = prop_oneof![
        12 => Just(Fate::Answered),
        1 => Just(Fate::Limited),
        2 => (1u64..120_000, any::<bool>()).prop_map(|(after_ms, arrives)| Fate::GivenUp { after_ms, arrives }),
    ];
    let gap_ms = prop_oneof![5 => Just(0u64), 1 => 1u64..20_000];
    (gap_ms, latency_ms(), 0.0..=1.0f64, fate).prop_map(|(gap_ms, latency, split, fate)| {
        let there_ms = (latency as f64 * split) as u64;
        Request { gap_ms, there_ms, back_ms: latency - there_ms, fate }
    })
}

fn script() -> impl Strategy<Value = Script> {
    let restart = (1u64..90_000, 0u64..30_000, any::<bool>()).prop_map(|(after_ms, down_ms, wire_arrives)| Restart {
        after_ms,
        down_ms,
        wire_arrives,
    });
    (
        prop::collection::vec(request(), 1..90),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(restart, 1..12)],
        1usize..30,
        -500i64..=500,
    )
        .prop_map(|(requests, restarts, concurrency, drift_ppm)| Script {
            requests,
            restarts,
            concurrency,
            drift_ppm,
            until_ms: 3_600_000,
        })
}

fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        2 => Just(Limits::new(5, 20, 1.0)),
        1 => (1u32..12, 1u32..40, 0.0..=1.0f64).prop_map(|(a, b, share)| Limits::new(a, b, share)),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_window_of_the_servers_clock_ever_holds_more_than_the_limit(
        script in script(), limits in limits(), answers_durable in any::<bool>(),
    ) {
        let arrivals = arrivals(&script, &mut Persisted::new(limits, answers_durable));
        prop_assert_eq!(violation(&arrivals), None, "arrivals {:?}", arrivals);
    }

    #[test]
    fn every_wait_ends_and_a_quiet_ledger_is_empty_again(script in script(), limits in limits()) {
        let mut door = Persisted::new(limits, true);
        let (requests, never) = (script.requests.clone(), u64::MAX / 4);
        let script = Script { restarts: Vec::new(), until_ms: never, ..script };
        let arrived = arrivals(&script, &mut door).len();
        let lost = requests.iter().filter(|r| matches!(r.fate, Fate::GivenUp { arrives: false, .. })).count();
        prop_assert_eq!(arrived + lost, requests.len());
        let status = door.ledger.status(t(400_000_000));
        prop_assert!(status.windows.iter().all(|window| window.used == 0), "{:?}", status);
    }
}

/// What many limiters do: remember when requests were sent, however long they take.
struct SendLog {
    inner: Persisted,
}

impl Door for SendLog {
    fn try_take(&mut self, now: Timestamp) -> Result<SlotId, Wait> {
        let slot = self.inner.try_take(now)?;
        self.inner.answered(slot, now);
        Ok(slot)
    }
    fn answered(&mut self, _: SlotId, _: Timestamp) {}
    fn closed(&mut self, _: SlotId, _: Timestamp) {}
    fn limits(&self) -> Limits {
        self.inner.limits()
    }
    fn restart(&mut self, now: Timestamp) {
        self.inner.restart(now);
    }
}

/// Forgets what was open when the process died.
struct Forgetful {
    inner: Persisted,
}

impl Door for Forgetful {
    fn try_take(&mut self, now: Timestamp) -> Result<SlotId, Wait> {
        self.inner.try_take(now)
    }
    fn answered(&mut self, slot: SlotId, now: Timestamp) {
        self.inner.answered(slot, now);
    }
    fn closed(&mut self, slot: SlotId, now: Timestamp) {
        self.inner.closed(slot, now);
    }
    fn limits(&self) -> Limits {
        self.inner.limits()
    }
    fn restart(&mut self, _: Timestamp) {
        self.inner = Persisted::new(self.inner.ledger.limits(), true);
    }
}

/// Says that its share has fallen, and lets as many through as before.
struct Deaf {
    inner: Persisted,
    said: Persisted,
}

impl Door for Deaf {
    fn try_take(&mut self, now: Timestamp) -> Result<SlotId, Wait> {
        let slot = self.inner.try_take(now)?;
        let _ = self.said.try_take(now);
        Ok(slot)
    }
    fn answered(&mut self, slot: SlotId, now: Timestamp) {
        self.inner.answered(slot, now);
    }
    fn limited(&mut self, slot: SlotId, now: Timestamp) {
        self.inner.answered(slot, now);
        self.said.limited(slot, now);
    }
    fn limits(&self) -> Limits {
        self.said.limits()
    }
    fn closed(&mut self, slot: SlotId, now: Timestamp) {
        self.inner.closed(slot, now);
    }
    fn restart(&mut self, now: Timestamp) {
        self.inner.restart(now);
    }
}

fn caught<D: Door>(mut door: impl FnMut() -> D) -> bool {
    let mut runner = TestRunner::deterministic();
    (0..300).any(|_| {
        let script = script().new_tree(&mut runner).expect("a script").current();
        violation(&arrivals(&script, &mut door())).is_some()
    })
}

#[test]
fn the_model_catches_ledgers_that_are_wrong() {
    let limits = Limits::new(5, 20, 1.0);
    let new = || Persisted::new(limits, true);
    assert!(caught(|| SendLog { inner: new() }));
    assert!(caught(|| Forgetful { inner: new() }));
    assert!(caught(|| Deaf { inner: new(), said: new() }));
    assert!(!caught(new));
}

#[test]
fn without_latency_it_admits_99_percent_of_the_limit() {
    let request = Request { gap_ms: 0, there_ms: 0, back_ms: 0, fate: Fate::Answered };
    let script = Script {
        requests: vec![request; 2_000],
        restarts: Vec::new(),
        concurrency: 5,
        drift_ppm: 0,
        until_ms: 3_600_000,
    };
    let admitted = arrivals(&script, &mut Persisted::new(Limits::new(5, 20, 1.0), true)).len();
    assert!((1_188..=1_220).contains(&admitted), "{admitted} of 1200 in an hour");
}

#[test]
fn a_share_is_rounded_down_and_never_to_nothing() {
    let slots = |a, b, share| (Limits::new(a, b, share).per_10s(), Limits::new(a, b, share).per_60s());
    assert_eq!(slots(5, 20, 1.0), (5, 20));
    assert_eq!(slots(5, 20, 0.5), (2, 10));
    assert_eq!(slots(5, 20, 0.01), (1, 1));
    assert_eq!(slots(5, 20, f64::NAN), (1, 1));
    assert_eq!(slots(u32::MAX, u32::MAX, 7.0), (512, 512));
}

#[test]
fn a_full_window_says_when_to_ask_again() {
    let mut ledger = Ledger::new(Limits::new(2, 20, 1.0));
    let first = ledger.try_take(t(0)).expect("free");
    let second = ledger.try_take(t(1)).expect("free");
    assert_eq!(ledger.try_take(t(2)), Err(Wait::ForAnswer { not_before: t(12) + WINDOW_MARGIN }));
    ledger.answered(first, t(3));
    assert_eq!(ledger.try_take(t(4)), Err(Wait::Until(t(13) + WINDOW_MARGIN)));
    ledger.closed_without_answer(second, t(4));
    assert_eq!(ledger.status(t(5)).next_start_at, Some(t(13) + WINDOW_MARGIN));
    assert!(ledger.try_take(t(14)).is_ok());
    assert_eq!(ledger.status(t(14)).windows[0].used, 2);
    ledger.answered(first, t(14)); // again, and late: nothing
    assert_eq!(ledger.status(t(14)).windows[0].used, 2);
}

#[test]
fn limits_that_shrank_let_nothing_through_until_enough_is_released() {
    let mut ledger = Ledger::new(Limits::new(5, 20, 1.0));
    for second in 0..4 {
        let slot = ledger.try_take(t(second)).expect("free");
        ledger.answered(slot, t(second));
    }
    let mut ledger = Ledger::restarted(Limits::new(5, 2, 1.0), ledger.record().clone(), t(10));
    assert_eq!(ledger.try_take(t(10)), Err(Wait::Until(t(62) + WINDOW_MARGIN)), "the third of four");
}

#[test]
fn a_pause_holds_everything_back_and_survives_a_restart() {
    let limits = Limits::new(5, 20, 1.0);
    let mut ledger = Ledger::new(limits);
    ledger.pause_until(t(60), t(0));
    ledger.pause_until(t(30), t(1));
    let mut ledger = Ledger::restarted(limits, ledger.record().clone(), t(2));
    assert_eq!(ledger.try_take(t(3)), Err(Wait::Until(t(60))));
    assert!(ledger.try_take(t(60)).is_ok());
    ledger.pause_until(t(1_000_000), t(60));
    assert!(ledger.try_take(t(60) + LONGEST_PAUSE).is_ok());
}

#[test]
fn a_clock_that_steps_back_costs_at_most_a_window_and_frees_nothing_early() {
    let limits = Limits::new(5, 1, 1.0);
    let mut ledger = Ledger::new(limits);
    let slot = ledger.try_take(t(100_000)).expect("free");
    ledger.answered(slot, t(100_001));
    let mut ledger = Ledger::restarted(limits, ledger.record().clone(), t(0));
    assert!(ledger.try_take(t(60)).is_err());
    assert!(ledger.try_take(t(60) + IN_FLIGHT + WINDOW_MARGIN).is_ok());
}

#[test]
fn callers_out_of_turn_do_not_free_a_slot_early() {
    let mut ledger = Ledger::new(Limits::new(5, 1, 1.0));
    let slot = ledger.try_take(t(0)).expect("free");
    let late = t(10) + SignedDuration::from_millis(500);
    ledger.answered(slot, late);
    let _ = ledger.try_take(t(10)).expect_err("held");
    assert_eq!(ledger.try_take(t(11)), Err(Wait::Until(late + SignedDuration::from_secs(60) + WINDOW_MARGIN)));
}

fn shares(ledger: &mut Ledger) -> Option<(f64, f64)> {
    ledger.share_changed().map(|changed| (changed.from, changed.to))
}

#[test]
fn a_429_halves_the_share_at_once_and_calm_minutes_bring_it_back() {
    let mut ledger = Ledger::new(Limits::new(5, 20, 0.8));
    let slot = ledger.try_take(t(0)).expect("free");
    ledger.limited(slot, t(1));
    assert_eq!(shares(&mut ledger), Some((0.8, 0.4)));
    assert_eq!((ledger.limits().per_10s(), ledger.limits().per_60s()), (2, 8));
    let status = ledger.status(t(60));
    assert_eq!((status.share, status.configured_share, status.last_limited_at), (0.4, 0.8, Some(t(1))));
    assert_eq!(shares(&mut ledger), None, "a minute is not over");
    assert!((ledger.status(t(61)).share - 0.44).abs() < 1e-9);
    assert!(shares(&mut ledger).is_some());
    assert!((ledger.status(t(60 * 9 + 1)).share - 0.76).abs() < 1e-9);
    assert_eq!(ledger.status(t(60 * 10 + 1)).share, 0.8);
    assert_eq!(ledger.status(t(86_400)).share, 0.8, "and not beyond");
}

#[test]
fn overlapping_429s_count_once_and_the_share_does_not_fall_below_a_tenth() {
    let mut ledger = Ledger::new(Limits::new(5, 20, 1.0));
    let slots: Vec<SlotId> = (0..3).map(|second| ledger.try_take(t(second)).expect("free")).collect();
    for (slot, second) in slots.iter().zip(3..) {
        ledger.limited(*slot, t(second));
    }
    assert_eq!(shares(&mut ledger), Some((1.0, 0.5)), "all were sent before the first was answered");
    let mut seen = Vec::new();
    for round in 1..6 {
        let slot = ledger.try_take(t(round * 61)).expect("free");
        ledger.limited(slot, t(round * 61));
        seen.push(ledger.limits().share);
    }
    assert_eq!(seen, [0.25, 0.15, 0.1, 0.1, 0.1]);
    assert_eq!((ledger.limits().per_10s(), ledger.limits().per_60s()), (1, 2), "never nothing");
}

#[test]
fn a_lowered_share_survives_a_restart_and_a_429_holds_recovery_back() {
    let limits = Limits::new(5, 20, 1.0);
    let mut ledger = Ledger::new(limits);
    let first = ledger.try_take(t(0)).expect("free");
    let second = ledger.try_take(t(0)).expect("free");
    ledger.limited(first, t(0));
    let text = serde_json::to_string(ledger.record()).expect("json");
    let mut ledger = Ledger::restarted(limits, serde_json::from_str(&text).expect("reads back"), t(30));
    assert_eq!(shares(&mut ledger), Some((1.0, 0.5)), "the new process says so as well");
    ledger.limited(second, t(59));
    assert_eq!(ledger.status(t(118)).share, 0.5, "the minute began anew");
    assert_eq!(ledger.status(t(119)).share, 0.55);
    assert_eq!(ledger.status(t(-86_400)).share, 0.55, "a clock that steps back gains nothing");
    assert_eq!(ledger.status(t(-86_400 + 60)).share, 0.6);
}

#[test]
fn a_record_from_before_there_were_shares_reads_as_whole() {
    let record: Record = serde_json::from_str(r#"{"slots":[],"next_id":7,"paused_until":null}"#).expect("reads");
    assert_eq!(Ledger::restarted(Limits::new(5, 20, 1.0), record, t(0)).limits().per_60s(), 20);
}
