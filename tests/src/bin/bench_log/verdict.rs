//! The bounds, and what was measured against them.

use serde_json::json;

/// A sync of the plain file that takes so long, at the median, is one of a disk; a shorter one is not.
const DISK_SYNC_US: f64 = 1_000.0;
/// Over the plain file on a disk, at every batch.
const VS_FILE_ON_DISK: f64 = 0.9;
/// Over the plain file where a sync is cheap, at batches up to [`SMALL_BATCH`].
const VS_FILE_SMALL: f64 = 0.5;
/// The same at larger batches.
const VS_FILE_LARGE: f64 = 0.4;
const SMALL_BATCH: usize = 100;
/// 16 writers over one, at batches of 1.
pub const SHARED_COMMITS: f64 = 4.0;
/// Bytes on disk per event.
pub const BYTES_PER_EVENT: f64 = 230.0;
/// Events a second through the store's interface.
pub const SCAN_PER_S: f64 = 1_500_000.0;
/// Events a second through HTTP.
pub const HTTP_PER_S: f64 = 150_000.0;
/// Seconds to open the store after kill -9.
pub const OPEN_S: f64 = 1.0;
/// Peak memory of a process that writes or reads the long log.
pub const PEAK_MIB: f64 = 128.0;

/// What the ratio to the plain file must be at least.
pub fn vs_file(sync_us: f64, batch: usize) -> f64 {
    if sync_us >= DISK_SYNC_US {
        VS_FILE_ON_DISK
    } else if batch <= SMALL_BATCH {
        VS_FILE_SMALL
    } else {
        VS_FILE_LARGE
    }
}

/// Bounds that were looked at.
#[derive(Default)]
pub struct Verdict {
    bounds: Vec<Bound>,
}

struct Bound {
    of: String,
    measured: f64,
    wanted: &'static str,
    bound: f64,
    holds: bool,
    counts: bool,
}

impl Verdict {
    /// `of` must be `bound` or more.
    pub fn at_least(&mut self, of: String, measured: f64, bound: f64) {
        self.counted_at_least(of, measured, bound, true);
    }

    /// The same; what does not count is only shown.
    pub fn counted_at_least(&mut self, of: String, measured: f64, bound: f64, counts: bool) {
        self.bounds.push(Bound { of, measured, wanted: "at least", bound, holds: measured >= bound, counts });
    }

    /// `of` must be `bound` or less.
    pub fn at_most(&mut self, of: String, measured: f64, bound: f64) {
        self.bounds.push(Bound { of, measured, wanted: "at most", bound, holds: measured <= bound, counts: true });
    }

    /// Prints each bound, and whether all that count hold. That nothing was measured holds nothing.
    pub fn say(&self) -> bool {
        for Bound { of, measured, wanted, bound, holds, counts } in &self.bounds {
            let line = json!({
                "bench": "log", "what": "verdict", "of": of, "measured": rounded(*measured), "wanted": wanted,
                "bound": bound, "verdict": if *holds { "holds" } else { "does not hold" }, "counts": counts,
            });
            println!("{line}");
        }
        !self.bounds.is_empty() && self.bounds.iter().all(|bound| bound.holds || !bound.counts)
    }
}

/// Three digits after the point of what is small, none of what is large.
pub fn rounded(value: f64) -> f64 {
    let scale = if value.abs() < 100.0 { 1_000.0 } else { 1.0 };
    (value * scale).round() / scale
}

/// The median; of none, nothing that holds.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_chosen_by_what_a_sync_costs() {
        assert_eq!([vs_file(4_000.0, 1), vs_file(1_000.0, 1_000)], [0.9, 0.9]);
        assert_eq!([vs_file(40.0, 1), vs_file(40.0, 100), vs_file(999.0, 1_000)], [0.5, 0.5, 0.4]);
    }

    #[test]
    fn what_is_no_number_or_was_not_measured_does_not_hold() {
        assert!(!Verdict::default().say());
        for (measured, holds) in [(0.9, true), (0.899, false), (median(Vec::new()), false)] {
            let mut verdict = Verdict::default();
            verdict.at_least("ratio".to_owned(), measured, 0.9);
            assert_eq!(verdict.say(), holds);
        }
        let mut verdict = Verdict::default();
        verdict.at_most("peak".to_owned(), f64::NAN, 128.0);
        assert!(!verdict.say());
        let mut shown = Verdict::default();
        shown.counted_at_least("ratio".to_owned(), 0.1, 0.9, false);
        assert!(shown.say());
    }
}
