//! Chance: one seeded stream, from which every choice of a run is drawn.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// The dice of one run.
pub struct Chance(StdRng);

impl Chance {
    /// The stream of `seed`.
    pub fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// True in `percent` of a hundred cases.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// In `0..1`.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// From `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0.random_range(from..=to.max(from))
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// One of `items`; `None` when there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { Some(&items[self.below(items.len())]) }
    }

    /// Another order of `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// Of `weighted` choices, one by weight.
    pub fn weighted<T: Copy>(&mut self, weighted: &[(u32, T)]) -> T {
        let total: u32 = weighted.iter().map(|(weight, _)| weight).sum();
        let mut left = self.0.random_range(0..total);
        for (weight, choice) in weighted {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("the weights sum up to the total")
    }
}
