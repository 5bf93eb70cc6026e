//! Texts that many entries share, or that are too long for one, each kept once.

use std::collections::HashMap;

use super::entry::Id;

/// What a name costs beside its text: two boxes and a place in the map.
const NAME_OVERHEAD_BYTES: usize = 64;

/// The names by their number and the other way round. They are never let go: policies are few, and ids do not change.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    text_bytes: usize,
}

impl Names {
    /// The number of `name`, a new one if it has none yet.
    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("four billion names do not fit the memory");
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        self.text_bytes += 2 * name.len();
        number
    }

    /// The name of this number.
    pub(super) fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }

    /// The id as entries have it; `None` when no entry can have it.
    pub(super) fn packed(&self, id: &str) -> Option<Id> {
        Id::inline(id).or_else(|| self.numbers.get(id).copied().map(Id::interned))
    }

    /// The same for a new entry.
    pub(super) fn pack(&mut self, id: &str) -> Id {
        Id::inline(id).unwrap_or_else(|| Id::interned(self.intern(id)))
    }

    pub(super) fn bytes(&self) -> usize {
        self.text_bytes + self.names.len() * NAME_OVERHEAD_BYTES
    }
}
