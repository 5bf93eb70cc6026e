//! The part of the log that is delivered now, and the tickets of those who wait for more.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use event_model::{Sequence, Subscription};

use super::{Bell, Found, Item};

/// Memory of the ring: some 5,000 events of common size. What is older is read from the disk.
const MAX_BYTES: usize = 8 << 20;
/// Events looked at in one turn of a courier, so that the lock is held shortly.
const MAX_SCAN: usize = 2_048;

pub(super) struct Ring {
    items: VecDeque<Arc<Item>>,
    bytes: usize,
    max_bytes: usize,
    /// Every event after this, up to `last`, is here.
    after: Sequence,
    last: Sequence,
    desks: HashMap<u64, Desk>,
    next_number: u64,
}

struct Desk {
    subscription: Arc<Subscription>,
    interest: u64,
    bell: Arc<Bell>,
    /// Nothing up to the end of the ring is wanted that was not given out.
    armed: bool,
    /// Nothing before this is wanted that was not given out.
    clean_to: Sequence,
}

impl Ring {
    pub(super) fn after(last: Sequence) -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            max_bytes: MAX_BYTES,
            after: last,
            last,
            desks: HashMap::new(),
            next_number: 0,
        }
    }

    pub(super) const fn last(&self) -> Sequence {
        self.last
    }

    /// Every event after this, up to the last, is here.
    pub(super) const fn begin(&self) -> Sequence {
        self.after
    }

    pub(super) fn enter(&mut self, subscription: Arc<Subscription>, interest: u64, bell: Arc<Bell>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let desk = Desk { subscription, interest, bell, armed: false, clean_to: Sequence::START };
        self.desks.insert(number, desk);
        number
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.desks.remove(&number);
    }

    /// Whether somebody has seen all that is here.
    pub(super) fn is_awaited(&self) -> bool {
        self.desks.values().any(|desk| desk.armed)
    }

    /// Adds `items`, all that follow `after`, and rings for them. Nothing if the ring has gone to another place meanwhile.
    pub(super) fn add(&mut self, after: Sequence, items: Vec<Arc<Item>>) {
        if after != self.last {
            return;
        }
        let Some(last) = items.last().map(|item| item.sequence()) else { return };
        for desk in self.desks.values_mut().filter(|desk| desk.armed) {
            let wanted = items.iter().find(|item| item.is_wanted(desk.interest, &desk.subscription));
            if let Some(first) = wanted {
                desk.armed = false;
                desk.clean_to = Sequence(first.sequence().0 - 1);
                desk.bell.ring();
            }
        }
        self.bytes += items.iter().map(|item| item.bytes).sum::<usize>();
        self.items.extend(items);
        self.last = last;
        while self.bytes > self.max_bytes && self.items.len() > 1 {
            let Some(oldest) = self.items.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.after = oldest.sequence();
        }
    }

    /// What the desk `number` wants after `after`, and whether it waits for more then; `None` when that begins before the ring.
    pub(super) fn read(&mut self, number: u64, after: Sequence, room: usize) -> (Option<Found>, bool) {
        if after > self.last && !self.is_awaited() {
            self.begin_at(after);
        }
        let Some(desk) = self.desks.get_mut(&number) else { return (None, false) };
        if desk.armed {
            return (Some(Found::CaughtUp(self.last)), true);
        }
        let after = after.max(desk.clean_to);
        if after < self.after {
            return (None, false);
        }
        let begin = self.items.partition_point(|item| item.sequence() <= after);
        let (mut items, mut up_to) = (Vec::new(), after);
        for item in self.items.range(begin..).take(MAX_SCAN) {
            if items.len() == room {
                return (Some(Found::Items { items, up_to, old: false }), false);
            }
            up_to = item.sequence();
            if item.is_wanted(desk.interest, &desk.subscription) {
                items.push(Arc::clone(item));
            }
        }
        desk.armed = up_to >= self.last;
        match items.is_empty() && desk.armed {
            true => (Some(Found::CaughtUp(self.last)), true),
            false => (Some(Found::Items { items, up_to, old: false }), desk.armed),
        }
    }

    /// Nobody needs what lies between: who waits for nothing reads pages.
    fn begin_at(&mut self, after: Sequence) {
        self.items.clear();
        (self.bytes, self.after, self.last) = (0, after, after);
    }

    pub(super) fn item(&self, sequence: Sequence) -> Option<Arc<Item>> {
        let at = self.items.binary_search_by_key(&sequence, |item| item.sequence()).ok()?;
        self.items.get(at).cloned()
    }

    /// A ring of this many bytes.
    #[cfg(test)]
    pub(super) fn shrink_to(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }
}
