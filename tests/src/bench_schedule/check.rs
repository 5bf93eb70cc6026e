//! The upstream's own count, written without a look at the ledger.

/// (length in ms, arrivals that any window of this length may hold): the upstream's rule (reference section 1.7).
const RULE: [(i64, usize); 2] = [(10_000, 5), (60_000, 20)];

/// Arrivals that came while the window ending with them already held its fill.
pub fn violations(arrivals_ms: &[i64]) -> u64 {
    let mut sorted = arrivals_ms.to_vec();
    sorted.sort_unstable();
    let mut count = 0;
    for (length_ms, limit) in RULE {
        let mut oldest = 0;
        for (newest, at_ms) in sorted.iter().enumerate() {
            while at_ms - sorted[oldest] >= length_ms {
                oldest += 1;
            }
            if newest - oldest + 1 > limit {
                count += 1;
            }
        }
    }
    count
}
