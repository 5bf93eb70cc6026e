mod model;

use std::collections::HashMap;

use event_model::{EventType, delivery::Outcome};

use super::*;

const ENOUGH: Limits = Limits { in_flight: 4, window: 100, pending: 100 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn event(sequence: u64, entity: &str) -> Payload {
    Payload::Event {
        sequence: Sequence(sequence),
        id: format!("evt_{sequence}").parse().expect("id"),
        event_type: EventType::ReportUpdated,
        subject: format!("report/{entity}"),
        account: "acme".to_owned(),
    }
}

fn test_record(id: &str) -> PendingDelivery {
    PendingDelivery {
        subscription: subscription(),
        payload: Payload::Test { id: id.parse().expect("id"), body: "{}".to_owned() },
        state: PendingState::Due { at: at(0) },
        attempts: 0,
        history: Vec::new(),
        since: at(0),
    }
}

fn subscription() -> SubscriptionId {
    SubscriptionId::from_unique("1").expect("id")
}

fn outbox(ordering: Ordering, limits: Limits) -> Outbox {
    Outbox::new(subscription(), ordering, two_waits(), limits, Sequence::START, Vec::new())
}

/// Three attempts: at once, after 10 s, after 100 s.
fn two_waits() -> Schedule {
    Schedule::of(vec![Duration::from_secs(10), Duration::from_secs(100)])
}

fn attempt(status: u16) -> Attempt {
    let outcome = if status == 200 { Outcome::Delivered { status } } else { Outcome::Status { status } };
    Attempt { at: at(0), duration_ms: 1, outcome }
}

fn start(outbox: &mut Outbox, second: i64) -> Option<u64> {
    match outbox.start(at(second))?.key {
        Key::Event(sequence) => Some(sequence.0),
        Key::Test(id) => panic!("a test: {id}"),
    }
}

fn end(outbox: &mut Outbox, sequence: u64, status: u16, second: i64) -> Verdict {
    outbox.ended(&Key::Event(Sequence(sequence)), attempt(status), None, at(second), 0.5)
}

fn save(outbox: &mut Outbox) -> Vec<(Key, Option<PendingDelivery>)> {
    let taken = outbox.take_unsaved();
    outbox.saved();
    taken
}

#[test]
fn what_succeeds_at_once_needs_no_record_and_the_cursor_is_contiguous() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(9), vec![event(2, "a"), event(5, "b")], at(0));
    assert_eq!(outbox.cursor(), Sequence(1), "what is not wanted is passed");
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0)), (Some(2), Some(5)));
    assert_eq!(end(&mut outbox, 5, 200, 0), Verdict::Delivered);
    assert_eq!(outbox.cursor(), Sequence(1), "2 is still out");
    assert_eq!(end(&mut outbox, 2, 200, 0), Verdict::Delivered);
    assert_eq!(outbox.cursor(), Sequence(9));
    assert!(outbox.take_unsaved().is_empty());
}

#[test]
fn the_cursor_passes_a_failure_only_when_its_record_is_saved() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(3), vec![event(1, "a"), event(2, "b"), event(3, "a")], at(0));
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0), start(&mut outbox, 0)), (Some(1), Some(2), None));
    assert_eq!(end(&mut outbox, 2, 200, 0), Verdict::Delivered);
    assert_eq!(end(&mut outbox, 1, 500, 0), Verdict::Retry { at: at(10) });
    assert_eq!(outbox.cursor(), Sequence(0));
    let records = outbox.take_unsaved();
    assert_eq!(outbox.cursor(), Sequence(0), "taken is not saved");
    outbox.saved();
    assert_eq!(outbox.cursor(), Sequence(3));
    let states: Vec<_> = records.iter().map(|(key, r)| (key, &r.as_ref().expect("a record").state)).collect();
    let (one, three) = (Key::Event(Sequence(1)), Key::Event(Sequence(3)));
    assert_eq!(states, [(&one, &PendingState::Due { at: at(10) }), (&three, &PendingState::Waiting)]);
}

#[test]
fn a_parked_entity_stops_only_itself_and_is_let_go_in_order() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(1), vec![event(1, "a")], at(0));
    assert_eq!(start(&mut outbox, 0), Some(1));
    let _ = end(&mut outbox, 1, 500, 0);
    outbox.read(Sequence(3), vec![event(2, "a"), event(3, "b")], at(1));
    assert_eq!((start(&mut outbox, 1), start(&mut outbox, 1)), (Some(3), None));
    assert_eq!(outbox.next_due(), Some(at(10)));
    assert_eq!((start(&mut outbox, 10), start(&mut outbox, 10)), (Some(1), None));
    assert_eq!(end(&mut outbox, 1, 200, 10), Verdict::Delivered);
    assert_eq!(start(&mut outbox, 10), Some(2));
    assert_eq!(end(&mut outbox, 2, 200, 10), Verdict::Delivered);
    assert_eq!(end(&mut outbox, 3, 200, 10), Verdict::Delivered);
    let left: Vec<_> = save(&mut outbox).into_iter().filter_map(|(_, record)| record).collect();
    assert!(left.iter().all(|record| !record.state.is_open()), "nothing is to be sent: {left:?}");
    assert_eq!(outbox.cursor(), Sequence(3));
}

#[test]
fn an_entity_that_works_off_its_backlog_stops_only_itself() {
    let mut outbox = outbox(Ordering::Entity, Limits { window: 4, ..ENOUGH });
    outbox.read(Sequence(3), vec![event(1, "a"), event(2, "a"), event(3, "a")], at(0));
    assert_eq!(start(&mut outbox, 0), Some(1));
    let _ = end(&mut outbox, 1, 500, 0);
    save(&mut outbox);
    assert_eq!(start(&mut outbox, 10), Some(1), "the retry is in flight, two wait behind it");
    outbox.read(Sequence(7), (4..8).map(|n| event(n, if n == 4 { "a" } else { "b" })).collect(), at(10));
    save(&mut outbox);
    for sequence in 5..8 {
        assert_eq!(start(&mut outbox, 10), Some(sequence));
        let _ = end(&mut outbox, sequence, 200, 10);
    }
    assert_eq!((outbox.cursor(), outbox.room()), (Sequence(7), 4));
}

#[test]
fn an_exhausted_delivery_is_kept_dead_and_the_next_of_its_lane_goes_on() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(2), vec![event(1, "a"), event(2, "a")], at(0));
    for (second, expected) in [(0, Verdict::Retry { at: at(10) }), (10, Verdict::Retry { at: at(110) })] {
        assert_eq!(start(&mut outbox, second), Some(1));
        assert_eq!(end(&mut outbox, 1, 500, second), expected);
    }
    assert_eq!(start(&mut outbox, 110), Some(1));
    assert_eq!(end(&mut outbox, 1, 500, 110), Verdict::Dead);
    let saved: HashMap<_, _> = save(&mut outbox).into_iter().collect();
    let dead = saved[&Key::Event(Sequence(1))].as_ref().expect("kept");
    assert_eq!((dead.attempts, dead.history.len(), &dead.state), (3, 3, &PendingState::Dead { at: at(110) }));
    assert_eq!(start(&mut outbox, 110), Some(2));
    assert_eq!(outbox.cursor(), Sequence(2));
    assert_eq!(outbox.records().count(), 1, "the dead one no longer counts");
}

#[test]
fn strict_order_holds_everything_behind_a_failure_and_records_only_that() {
    let mut outbox = outbox(Ordering::Strict, ENOUGH);
    outbox.read(Sequence(3), vec![event(1, "a"), event(2, "b"), event(3, "c")], at(0));
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0)), (Some(1), None));
    let _ = end(&mut outbox, 1, 500, 0);
    assert_eq!(save(&mut outbox).len(), 1);
    assert_eq!((outbox.cursor(), outbox.room()), (Sequence(1), 0));
    assert_eq!(start(&mut outbox, 9), None);
    assert_eq!(start(&mut outbox, 10), Some(1));
    assert_eq!(end(&mut outbox, 1, 200, 10), Verdict::Delivered);
    assert_eq!(start(&mut outbox, 10), Some(2));
    assert!(outbox.room() > 0);
}

#[test]
fn without_order_everything_runs() {
    let mut outbox = outbox(Ordering::None, ENOUGH);
    outbox.read(Sequence(2), vec![event(1, "a"), event(2, "a")], at(0));
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0)), (Some(1), Some(2)));
}

#[test]
fn gone_stops_everything_and_the_cursor_stands() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(2), vec![event(1, "a"), event(2, "b")], at(0));
    assert_eq!(start(&mut outbox, 0), Some(1));
    assert_eq!(end(&mut outbox, 1, 410, 0), Verdict::Disable);
    assert_eq!((start(&mut outbox, 0), outbox.cursor(), outbox.room()), (None, Sequence(0), 0));
    assert!(outbox.take_unsaved().is_empty());
}

#[test]
fn a_full_outbox_reads_no_further_and_loses_nothing() {
    let mut outbox = outbox(Ordering::Entity, Limits { in_flight: 9, window: 100, pending: 3 });
    outbox.read(Sequence(3), vec![event(1, "a"), event(2, "b"), event(3, "c")], at(0));
    assert_eq!((outbox.room(), outbox.is_full()), (0, true));
    for sequence in 1..=3 {
        assert_eq!(start(&mut outbox, 0), Some(sequence));
        let _ = end(&mut outbox, sequence, 500, 0);
    }
    let _ = save(&mut outbox);
    assert_eq!((outbox.room(), outbox.cursor()), (0, Sequence(3)));
    assert_eq!(start(&mut outbox, 10), Some(1));
    let _ = end(&mut outbox, 1, 200, 10);
    assert_eq!(outbox.room(), 1);
}

#[test]
fn a_slow_delivery_that_fills_the_window_is_recorded_so_that_the_rest_goes_on() {
    let mut outbox = outbox(Ordering::Entity, Limits { in_flight: 2, window: 3, pending: 100 });
    outbox.read(Sequence(3), vec![event(1, "slow"), event(2, "b"), event(3, "slow")], at(0));
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0)), (Some(1), Some(2)));
    let _ = end(&mut outbox, 2, 200, 0);
    assert_eq!((outbox.room(), outbox.wants_relief_at()), (0, Some(at(1))));
    outbox.relieve(at(0));
    assert!(outbox.take_unsaved().is_empty(), "not yet");
    outbox.relieve(at(1));
    assert_eq!(save(&mut outbox).len(), 2, "the slow one and the one behind it");
    assert_eq!((outbox.cursor(), outbox.room()), (Sequence(3), 3));
    assert_eq!(start(&mut outbox, 1), None, "it is in flight still, and its lane waits");
    let _ = end(&mut outbox, 1, 200, 2);
    assert_eq!(start(&mut outbox, 2), Some(3));
}

#[test]
fn a_dead_letter_above_the_stored_cursor_stays_dead() {
    let dead =
        PendingDelivery { payload: event(1, "a"), state: PendingState::Dead { at: at(0) }, ..test_record("evt_test1") };
    let mut outbox = Outbox::new(subscription(), Ordering::Entity, two_waits(), ENOUGH, Sequence::START, vec![dead]);
    outbox.read(Sequence(2), vec![event(1, "a"), event(2, "a")], at(0));
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0)), (Some(2), None));
    assert_eq!(outbox.cursor(), Sequence(1));
}

#[test]
fn tests_run_beside_the_lanes_and_only_once() {
    let mut outbox = outbox(Ordering::Strict, ENOUGH);
    outbox.read(Sequence(1), vec![event(1, "a")], at(0));
    outbox.add_asked(test_record("evt_test1"));
    outbox.add_asked(test_record("evt_test1"));
    assert_eq!(start(&mut outbox, 0), Some(1));
    let test = outbox.start(at(0)).expect("the test");
    assert_eq!(outbox.start(at(0)), None);
    assert_eq!(outbox.ended(&test.key, attempt(200), None, at(0), 0.5), Verdict::Delivered);
    outbox.add_asked(test_record("evt_test1"));
    assert_eq!(outbox.start(at(0)), None, "its deletion is not stored yet");
    assert_eq!(save(&mut outbox), [(test.key, None)]);
}

#[test]
fn a_suspended_outbox_reads_nothing_and_probes_with_its_oldest_alone_without_using_up_attempts() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(3), vec![event(1, "a"), event(2, "b"), event(3, "c")], at(0));
    for sequence in 1..=2 {
        assert_eq!(start(&mut outbox, 0), Some(sequence));
        let _ = end(&mut outbox, sequence, 500, 0);
    }
    outbox.suspend(true);
    assert_eq!((outbox.room(), outbox.can_start(at(9_000)), start(&mut outbox, 9_000)), (0, false, None));
    let _ = save(&mut outbox);
    for second in 1..20 {
        let probe = outbox.probe(at(second)).expect("the oldest, due or not");
        assert_eq!(probe.key, Key::Event(Sequence(1)));
        assert_eq!(outbox.probe(at(second)), None, "one at a time");
        outbox.probe_failed(&probe.key, attempt(500), at(second));
        let saved = save(&mut outbox);
        let [(_, Some(record))] = saved.as_slice() else { panic!("one record is written: {saved:?}") };
        assert_eq!(record.attempts, 1, "no attempt is used up");
    }
    let probe = outbox.probe(at(20)).expect("the oldest");
    assert_eq!(outbox.ended(&probe.key, attempt(200), None, at(20), 0.5), Verdict::Delivered);
    outbox.suspend(false);
    assert_eq!(start(&mut outbox, 20), Some(2), "the rest goes on where it stood");
}

#[test]
fn a_suspended_outbox_without_anything_reads_one_event_to_probe_with() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.suspend(true);
    assert_eq!(outbox.room(), 1);
    outbox.read(Sequence(1), vec![event(1, "a")], at(0));
    assert_eq!(outbox.room(), 0);
    assert!(outbox.probe(at(0)).is_some());
}

#[test]
fn what_failed_before_it_arrived_stays_to_be_shown_and_counts_for_nothing() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(1), vec![event(1, "a")], at(0));
    assert_eq!(start(&mut outbox, 0), Some(1));
    let _ = end(&mut outbox, 1, 500, 0);
    let _ = save(&mut outbox);
    assert_eq!(start(&mut outbox, 10), Some(1));
    let _ = end(&mut outbox, 1, 200, 10);
    let saved = save(&mut outbox);
    let [(_, Some(record))] = saved.as_slice() else { panic!("one record: {saved:?}") };
    assert_eq!((&record.state, record.history.len()), (&PendingState::Done { at: at(10) }, 2));
    assert_eq!((outbox.records().count(), outbox.cursor()), (0, Sequence(1)));
    let again = Outbox::new(subscription(), Ordering::Entity, two_waits(), ENOUGH, Sequence(1), vec![record.clone()]);
    assert!(!again.holds_any());
}

#[test]
fn what_a_person_asks_for_again_starts_now_and_only_once() {
    let mut outbox = outbox(Ordering::Entity, ENOUGH);
    outbox.read(Sequence(2), vec![event(1, "a"), event(2, "b")], at(0));
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0)), (Some(1), Some(2)));
    let _ = end(&mut outbox, 1, 500, 0);
    let _ = end(&mut outbox, 2, 200, 0);
    let _ = save(&mut outbox);
    let asked = |n, second| PendingDelivery {
        payload: event(n, "a"),
        state: PendingState::Due { at: at(second) },
        ..test_record("evt_test1")
    };
    outbox.add_asked(asked(1, 3));
    outbox.add_asked(asked(1, 3));
    assert_eq!((start(&mut outbox, 2), start(&mut outbox, 3), start(&mut outbox, 3)), (None, Some(1), None));
    outbox.add_asked(asked(7, 3));
    assert_eq!(start(&mut outbox, 3), None, "what is above the cursor comes with the log");
}

#[test]
fn so_many_run_at_once_as_it_is_told_and_never_more_than_the_limit() {
    let mut outbox = outbox(Ordering::None, ENOUGH);
    outbox.read(Sequence(9), (1..10).map(|n| event(n, "a")).collect(), at(0));
    outbox.widen_to(0);
    assert_eq!((start(&mut outbox, 0), start(&mut outbox, 0)), (Some(1), None));
    outbox.widen_to(99);
    let started = std::iter::from_fn(|| start(&mut outbox, 0)).count();
    assert_eq!(started + 1, ENOUGH.in_flight);
}
