//! Where entities stand, as the writer remembers it.
//!
//! Each event must continue its entity. What the fold says of an entity that is not pending is its whole state, which has to be found and
//! parsed for the sake of two numbers; and whoever changes an entity often changes it again. So those that were changed last are remembered
//! in two halves: when the newer one is full, the older one is forgotten.

use std::{collections::HashMap, sync::Arc};

use event_model::{Revision, Sequence};

use crate::fold::EntityKey;

/// Revision and sequence of an entity's last event.
pub type Position = (Revision, Sequence);

/// Entities in a half before it is full, beside those of a round: some 150 bytes each.
const HALF: usize = 8192;

/// Positions of entities, those of the round included; of others the fold knows.
#[derive(Default)]
pub struct Positions {
    newer: HashMap<EntityKey, Position>,
    older: HashMap<EntityKey, Position>,
    /// What `newer` held before each change of what is being placed.
    before: Vec<(EntityKey, Option<Position>)>,
}

impl Positions {
    /// That of the entity under `key`, if it is remembered.
    pub fn get(&self, key: &[u8]) -> Option<Position> {
        self.newer.get(key).or_else(|| self.older.get(key)).copied()
    }

    /// The entity under `key` stands at `position` from here on, unless that is [taken back](Self::take_back).
    pub fn set(&mut self, key: &EntityKey, position: Position) {
        let before = self.newer.insert(Arc::clone(key), position);
        self.before.push((Arc::clone(key), before));
    }

    /// What was set since it was asked last stays.
    pub fn keep(&mut self) {
        self.before.clear();
        self.before.shrink_to(HALF);
    }

    /// What was set and not kept is as it was.
    pub fn take_back(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(position) => self.newer.insert(key, position),
                None => self.newer.remove(&key),
            };
        }
    }

    /// Forgets what was not changed for long. Until then what is set is remembered; so the fold must know of it by now.
    pub fn forget_old(&mut self) {
        let set = match self.newer.len() {
            0..HALF => return,
            _ => std::mem::take(&mut self.newer),
        };
        // What one append set may be far more.
        self.older = if set.len() <= 2 * HALF { set } else { HashMap::new() };
    }

    /// Forgets everything.
    pub fn forget_all(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> EntityKey {
        number.to_be_bytes().as_slice().into()
    }

    fn position(number: u64) -> Position {
        (Revision(number), Sequence(number))
    }

    #[test]
    fn what_is_taken_back_is_as_it_was_before() {
        let mut positions = Positions::default();
        positions.set(&key(1), position(1));
        positions.keep();
        positions.set(&key(1), position(2));
        positions.set(&key(2), position(3));
        positions.set(&key(1), position(4));
        positions.take_back();
        assert_eq!([1, 2].map(|n| positions.get(&key(n))), [Some(position(1)), None]);
        positions.take_back();
        assert_eq!(positions.get(&key(1)), Some(position(1)), "what was kept stays");
    }

    #[test]
    fn of_more_than_two_halves_the_older_ones_are_forgotten_and_the_newest_never() {
        let mut positions = Positions::default();
        for n in 0..3 * HALF {
            positions.set(&key(n), position(n as u64));
            positions.keep();
            positions.set(&key(0), position(n as u64));
            positions.keep();
            positions.forget_old();
            assert_eq!(positions.get(&key(n)), Some(position(n as u64)));
            assert!(positions.newer.len() + positions.older.len() <= 2 * HALF);
        }
        assert_eq!(positions.get(&key(0)), Some(position(3 * HALF as u64 - 1)), "it is changed again and again");
        assert_eq!(positions.get(&key(1)), None);
        (0..=3 * HALF).for_each(|n| positions.set(&key(n), position(1)));
        positions.forget_old();
        assert_eq!((positions.newer.len(), positions.older.len()), (0, 0), "more than are remembered");
    }
}
