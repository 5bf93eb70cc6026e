use std::collections::{BTreeMap, HashMap};

use event_model::{EventType, delivery::Outcome};
use proptest::prelude::*;

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
    assert!(save(&mut outbox).iter().all(|(_, record)| record.is_none()), "records are deleted");
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
    outbox.add_test(test_record("evt_test1"));
    outbox.add_test(test_record("evt_test1"));
    assert_eq!(start(&mut outbox, 0), Some(1));
    let test = outbox.start(at(0)).expect("the test");
    assert_eq!(outbox.start(at(0)), None);
    assert_eq!(outbox.ended(&test.key, attempt(200), None, at(0), 0.5), Verdict::Delivered);
    outbox.add_test(test_record("evt_test1"));
    assert_eq!(outbox.start(at(0)), None, "its deletion is not stored yet");
    assert_eq!(save(&mut outbox), [(test.key, None)]);
}

/// What is on disk: the cursor and the records.
#[derive(Clone, Default)]
struct Disk {
    cursor: Sequence,
    records: BTreeMap<Key, PendingDelivery>,
}

/// A receiver that checks what arrives: per lane, what is new must come in order.
#[derive(Default)]
struct Receiver {
    arrived: BTreeMap<u64, u32>,
    newest: BTreeMap<u64, u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    Start,
    End { pick: usize, status: u16 },
    SaveRecords,
    SaveCursor,
    Kill,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..6_usize).prop_map(Step::Read),
        6 => Just(Step::Start),
        6 => (0..8_usize, prop_oneof![3 => Just(200_u16), 2 => Just(500_u16)])
            .prop_map(|(pick, status)| Step::End { pick, status }),
        3 => Just(Step::SaveRecords),
        2 => Just(Step::SaveCursor),
        1 => Just(Step::Kill),
        2 => (1..40_i64).prop_map(Step::Wait),
    ]
}

struct World {
    ordering: Ordering,
    log: Vec<u8>,
    disk: Disk,
    outbox: Outbox,
    flying: Vec<Key>,
    receiver: Receiver,
    now: i64,
}

const SMALL: Limits = Limits { in_flight: 3, window: 6, pending: 8 };

impl World {
    fn new(ordering: Ordering, log: Vec<u8>) -> Self {
        let outbox = Outbox::new(subscription(), ordering, long(), SMALL, Sequence::START, Vec::new());
        Self { ordering, log, disk: Disk::default(), outbox, flying: vec![], receiver: Receiver::default(), now: 0 }
    }

    fn entity(&self, sequence: u64) -> u8 {
        self.log[usize::try_from(sequence).expect("small") - 1]
    }

    fn lane(&self, sequence: u64) -> u64 {
        match self.ordering {
            Ordering::Entity => self.entity(sequence).into(),
            Ordering::Strict => 0,
            Ordering::None => sequence,
        }
    }

    /// Entity 0 is not wanted.
    fn read(&mut self, most: usize) {
        let from = usize::try_from(self.outbox.read_up_to().0).expect("small");
        let to = self.log.len().min(from + most.min(self.outbox.room()));
        let wanted = (from + 1..=to).filter(|s| self.log[s - 1] != 0).map(|s| s as u64);
        let wanted = wanted.map(|s| event(s, &self.entity(s).to_string())).collect();
        if to > from {
            self.outbox.read(Sequence(to as u64), wanted, at(self.now));
        }
    }

    fn start(&mut self) -> bool {
        let Some(started) = self.outbox.start(at(self.now)) else { return false };
        let Key::Event(Sequence(sequence)) = started.key else { panic!("no tests here") };
        let lane = self.lane(sequence);
        for other in &self.flying {
            let Key::Event(Sequence(other)) = other else { panic!("no tests here") };
            assert_ne!(self.lane(*other), lane, "two of one lane in flight");
        }
        self.flying.push(started.key);
        assert!(self.flying.len() <= SMALL.in_flight);
        true
    }

    fn end(&mut self, pick: usize, status: u16) {
        if self.flying.is_empty() {
            return;
        }
        let key = self.flying.remove(pick % self.flying.len());
        if let (200, Key::Event(Sequence(sequence))) = (status, &key) {
            self.arrive(*sequence);
        }
        let verdict = self.outbox.ended(&key, attempt(status), None, at(self.now), 0.5);
        assert_ne!(verdict, Verdict::Dead, "the schedule is long enough");
    }

    fn arrive(&mut self, sequence: u64) {
        let times = self.receiver.arrived.entry(sequence).or_default();
        *times += 1;
        if *times == 1 {
            let lane = self.lane(sequence);
            let newest = self.receiver.newest.insert(lane, sequence).unwrap_or(0);
            assert!(newest < sequence, "{sequence} came new after {newest}");
        }
    }

    fn save_records(&mut self) {
        for (key, record) in self.outbox.take_unsaved() {
            match record {
                Some(record) => drop(self.disk.records.insert(key, record)),
                None => drop(self.disk.records.remove(&key)),
            }
        }
        self.outbox.saved();
        // Twice: those above the stored cursor at a kill come on top, until the log is read up to them.
        assert!(self.disk.records.len() <= 2 * SMALL.pending, "records are bounded");
    }

    fn kill(&mut self) {
        let records = self.disk.records.values().cloned().collect();
        self.outbox = Outbox::new(subscription(), self.ordering, long(), SMALL, self.disk.cursor, records);
        self.flying.clear();
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Read(most) => self.read(most),
            Step::Start => drop(self.start()),
            Step::End { pick, status } => self.end(pick, status),
            Step::SaveRecords => self.save_records(),
            Step::SaveCursor => self.disk.cursor = self.outbox.cursor(),
            Step::Kill => self.kill(),
            Step::Wait(seconds) => {
                self.now += seconds;
                self.outbox.relieve(at(self.now));
            }
        }
    }

    fn run_to_the_end(&mut self) {
        for _ in 0..10 * self.log.len() + 10 {
            self.now += 1_000_000;
            self.read(usize::MAX);
            while self.start() {}
            while !self.flying.is_empty() {
                self.end(0, 200);
            }
            self.save_records();
        }
        self.disk.cursor = self.outbox.cursor();
    }
}

fn long() -> Schedule {
    Schedule::of(vec![Duration::from_secs(10); 1_000])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn killed_at_any_moment_nothing_is_lost_and_no_lane_is_overtaken(
        ordering in prop_oneof![Just(Ordering::Entity), Just(Ordering::Strict), Just(Ordering::None)],
        log in prop::collection::vec(0..5_u8, 1..40),
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut world = World::new(ordering, log);
        for step in &steps {
            world.run(step);
        }
        world.run_to_the_end();
        let wanted = (1..=world.log.len() as u64).filter(|s| world.entity(*s) != 0).count();
        prop_assert_eq!(world.receiver.arrived.len(), wanted, "nothing is lost");
        prop_assert_eq!(world.disk.cursor, Sequence(world.log.len() as u64));
        prop_assert!(world.disk.records.is_empty(), "no record is left over");
    }
}
