use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

#[derive(Clone, Debug)]
enum Step {
    Push { lane: u8 },
    Start,
    Finish { pick: usize },
    PutOff { pick: usize, wait_s: i64 },
    Wait { seconds: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u8).prop_map(|lane| Step::Push { lane }),
        6 => Just(Step::Start),
        3 => (0..8_usize).prop_map(|pick| Step::Finish { pick }),
        2 => (0..8_usize, 0..20_i64).prop_map(|(pick, wait_s)| Step::PutOff { pick, wait_s }),
        1 => (0..10_i64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// What must hold, kept in the plainest way.
#[derive(Default)]
struct Model {
    lane_of: BTreeMap<u32, u8>,
    unfinished: BTreeMap<u8, Vec<u32>>,
    not_before: BTreeMap<u32, i64>,
    flying: Vec<u32>,
}

impl Model {
    fn check_start(&mut self, key: u32, now: i64, bound: usize) {
        let lane = self.lane_of[&key];
        assert_eq!(self.unfinished[&lane].first(), Some(&key), "nothing is overtaken");
        assert!(self.flying.iter().all(|other| self.lane_of[other] != lane), "one of a lane in flight");
        assert!(self.not_before.get(&key).is_none_or(|time| *time <= now), "not before its time");
        self.flying.push(key);
        assert!(self.flying.len() <= bound, "never more than the bound");
    }

    fn take_flying(&mut self, pick: usize) -> Option<u32> {
        (!self.flying.is_empty()).then(|| self.flying.remove(pick % self.flying.len()))
    }

    fn finish(&mut self, key: u32) {
        let lane = self.lane_of[&key];
        self.unfinished.get_mut(&lane).expect("lane").retain(|k| *k != key);
    }
}

proptest! {
    #[test]
    fn lanes_keep_order_hold_one_in_flight_and_drop_nothing(
        bound in 1..4_usize,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let (mut lanes, mut model, mut now, mut next) = (Lanes::new(bound), Model::default(), 0, 0_u32);
        for step in steps {
            match step {
                Step::Push { lane } => {
                    lanes.push(next, lane, None);
                    model.lane_of.insert(next, lane);
                    model.unfinished.entry(lane).or_default().push(next);
                    next += 1;
                }
                Step::Start => {
                    if let Some(key) = lanes.start(at(now)) {
                        model.check_start(key, now, bound);
                    }
                }
                Step::Finish { pick } => {
                    if let Some(key) = model.take_flying(pick) {
                        lanes.finish(&key);
                        model.finish(key);
                    }
                }
                Step::PutOff { pick, wait_s } => {
                    if let Some(key) = model.take_flying(pick) {
                        lanes.put_off(&key, at(now + wait_s));
                        model.not_before.insert(key, now + wait_s);
                        prop_assert!(lanes.is_parked(&model.lane_of[&key]));
                    }
                }
                Step::Wait { seconds } => now += seconds,
            }
            prop_assert_eq!(lanes.in_flight(), model.flying.len());
        }
        // Whatever is left runs to its end once every attempt succeeds.
        loop {
            while let Some(key) = lanes.start(at(i64::from(u32::MAX))) {
                model.check_start(key, i64::from(u32::MAX), bound);
            }
            let Some(key) = model.take_flying(0) else { break };
            lanes.finish(&key);
            model.finish(key);
        }
        prop_assert!(model.unfinished.values().all(Vec::is_empty), "nothing is dropped");
        prop_assert!(lanes.items.is_empty() && lanes.queues.is_empty() && lanes.due.is_empty());
    }
}

#[test]
fn a_parked_lane_does_not_hold_another() {
    let mut lanes = Lanes::new(4);
    lanes.push(1, "a", None);
    lanes.push(2, "a", None);
    lanes.push(3, "b", None);
    assert_eq!(lanes.start(at(0)), Some(1));
    lanes.put_off(&1, at(5));
    assert_eq!(lanes.start(at(0)), Some(3));
    assert_eq!(lanes.start(at(4)), None, "2 waits behind 1");
    assert_eq!(lanes.next_due(), Some(at(5)));
    assert_eq!(lanes.behind_front(&"a").collect::<Vec<_>>(), [&2]);
    assert_eq!(lanes.start(at(5)), Some(1));
    lanes.finish(&1);
    assert_eq!(lanes.start(at(5)), Some(2));
}

#[test]
fn what_was_not_in_flight_can_be_neither_finished_nor_put_off() {
    let mut lanes = Lanes::new(1);
    lanes.push(1, (), None);
    lanes.finish(&1);
    lanes.put_off(&1, at(9));
    assert_eq!(lanes.start(at(0)), Some(1));
}
