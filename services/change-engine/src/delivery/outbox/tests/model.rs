//! An outbox on a disk that is killed at any moment, beside a receiver that checks what arrives.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

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
        let open = self.disk.records.values().filter(|record| record.state.is_open()).count();
        assert!(open <= 2 * SMALL.pending, "records are bounded");
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
        let open = world.disk.records.values().filter(|record| record.state.is_open()).count();
        prop_assert_eq!(open, 0, "no record is left over");
    }
}
