//! What the upstream counts: requests as they arrive, over any window.

use crate::sim::clock::{Moment, SECOND};

/// How many requests fit into how long, at the real upstream.
pub const LIMITS: [(Moment, usize); 2] = [(10 * SECOND, 5), (60 * SECOND, 20)];

/// Every arrival of a run.
#[derive(Default)]
pub struct Traffic(Vec<Moment>);

impl Traffic {
    /// A request arrives at `at`.
    pub fn arrive(&mut self, at: Moment) {
        self.0.push(at);
    }

    /// The first window that holds more than it may: when it began, how long it is, how many it holds.
    pub fn violation(&self) -> Option<(Moment, Moment, usize)> {
        let mut arrivals = self.0.clone();
        arrivals.sort_unstable();
        LIMITS.into_iter().find_map(|(window, limit)| {
            let crowded = arrivals.windows(limit + 1).find(|crowd| crowd[limit] - crowd[0] < window);
            crowded.map(|crowd| (crowd[0], window, limit + 1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixth_arrival_within_ten_seconds_is_one_too_many() {
        let of = |arrivals: &[Moment]| Traffic(arrivals.to_vec()).violation();
        assert_eq!(of(&[0, 1, 2, 3, 4, 10_000]), None);
        assert_eq!(of(&[9_999, 0, 1, 2, 3, 4]), Some((0, 10_000, 6)));
        assert_eq!(of(&(0..20).map(|n| n * 3_000).collect::<Vec<_>>()), None);
        assert_eq!(of(&(0..21).map(|n| n * 2_999).collect::<Vec<_>>()), Some((0, 60_000, 21)));
    }
}
