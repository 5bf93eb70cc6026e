//! What is kept of deliveries that are over, for people to look at: bounded by age and by number.

use std::collections::VecDeque;

use change_engine::delivery::Key;
use event_model::delivery::{PendingDelivery, PendingState};
use jiff::{SignedDuration, Timestamp};

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Deliveries that arrived after failures: most per subscription.
    pub failures: usize,
    /// And for how long.
    pub failures_for: SignedDuration,
    /// Dead letters: most per subscription.
    pub dead: usize,
    /// And for how long.
    pub dead_for: SignedDuration,
}

impl Default for Kept {
    /// 100 failures for a week; 10,000 dead letters for 90 days, as long as the log is kept by default.
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        Self { failures: 100, failures_for: days(7), dead: 10_000, dead_for: days(90) }
    }
}

/// What is kept of one subscription, oldest first.
#[derive(Default)]
pub(super) struct Keeping {
    done: VecDeque<(Timestamp, Key)>,
    dead: VecDeque<(Timestamp, Key)>,
}

impl Keeping {
    pub(super) fn of(stored: &[PendingDelivery]) -> Self {
        let mut keeping = Self::default();
        stored.iter().for_each(|record| keeping.add(record));
        for kept in [&mut keeping.done, &mut keeping.dead] {
            kept.make_contiguous().sort();
        }
        keeping
    }

    /// Takes in what is about to be stored; gives what is to be removed for it.
    pub(super) fn surplus(
        &mut self,
        stored: &[(Key, Option<PendingDelivery>)],
        kept: &Kept,
        now: Timestamp,
    ) -> Vec<Key> {
        for (key, record) in stored {
            self.forget(key);
            record.iter().for_each(|record| self.add(record));
        }
        let mut surplus = cut(&mut self.done, kept.failures, now - kept.failures_for);
        surplus.extend(cut(&mut self.dead, kept.dead, now - kept.dead_for));
        // What is stored now stays for now: of two changes to a key only the last would count.
        surplus.retain(|key| stored.iter().all(|(stored, _)| stored != key));
        surplus
    }

    /// It is to be sent again.
    pub(super) fn forget(&mut self, key: &Key) {
        self.done.retain(|(_, known)| known != key);
        self.dead.retain(|(_, known)| known != key);
    }

    fn add(&mut self, record: &PendingDelivery) {
        let key = Key::of(&record.payload);
        match record.state {
            PendingState::Done { at } => self.done.push_back((at, key)),
            PendingState::Dead { at } => self.dead.push_back((at, key)),
            PendingState::Due { .. } | PendingState::Waiting => {}
        }
    }
}

fn cut(kept: &mut VecDeque<(Timestamp, Key)>, most: usize, since: Timestamp) -> Vec<Key> {
    let mut surplus = Vec::new();
    while kept.len() > most || kept.front().is_some_and(|(at, _)| *at < since) {
        surplus.extend(kept.pop_front().map(|(_, key)| key));
    }
    surplus
}

#[cfg(test)]
mod tests {
    use event_model::{Sequence, SubscriptionId, delivery::Payload};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn record(n: u64, state: PendingState) -> (Key, Option<PendingDelivery>) {
        let payload = Payload::Event {
            sequence: Sequence(n),
            id: format!("evt_{n}").parse().expect("id"),
            event_type: event_model::EventType::ReportUpdated,
            subject: "report/a".to_owned(),
            account: "acme".to_owned(),
        };
        let subscription = SubscriptionId::from_unique("1").expect("id");
        let record = PendingDelivery { subscription, payload, state, attempts: 2, history: vec![], since: at(0) };
        (Key::Event(Sequence(n)), Some(record))
    }

    fn key(n: u64) -> Key {
        Key::Event(Sequence(n))
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many_or_it_is_too_old() {
        let kept = Kept { failures: 2, failures_for: SignedDuration::from_secs(100), dead: 1, ..Kept::default() };
        let mut keeping = Keeping::default();
        let mut done =
            |n, second| keeping.surplus(&[record(n, PendingState::Done { at: at(second) })], &kept, at(second));
        assert!(done(1, 0).is_empty());
        assert!(done(2, 10).is_empty());
        assert_eq!(done(3, 20), [key(1)], "two are kept");
        assert_eq!(done(4, 115), [key(2)]);
        assert_eq!(done(5, 130), [key(3)], "it is older than 100 s");
        let mut dead = |n| keeping.surplus(&[record(n, PendingState::Dead { at: at(130) })], &kept, at(130));
        assert!(dead(7).is_empty());
        assert_eq!(dead(8), [key(7)]);
    }

    #[test]
    fn a_dead_letter_that_is_sent_again_is_not_removed_as_one() {
        let kept = Kept { dead: 0, ..Kept::default() };
        let mut keeping = Keeping::of(&[record(1, PendingState::Dead { at: at(0) }).1.expect("a record")]);
        keeping.forget(&key(1));
        assert!(keeping.surplus(&[record(2, PendingState::Waiting)], &kept, at(9)).is_empty());
    }
}
