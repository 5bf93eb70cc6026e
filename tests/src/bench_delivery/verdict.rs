//! The bounds that delivery is held to, and what was measured against them.

use serde_json::json;

/// Bounds that were looked at.
pub struct Verdict {
    bench: &'static str,
    looked_at: usize,
    broken: usize,
}

impl Verdict {
    /// None so far.
    pub const fn of(bench: &'static str) -> Self {
        Self { bench, looked_at: 0, broken: 0 }
    }

    /// `of` must be `bound` or more.
    pub fn at_least(&mut self, of: &str, measured: f64, bound: f64) {
        self.tell(of, measured, "at least", bound, measured >= bound);
    }

    /// `of` must be `bound` or less.
    pub fn at_most(&mut self, of: &str, measured: f64, bound: f64) {
        self.tell(of, measured, "at most", bound, measured <= bound);
    }

    /// Whether all hold. That nothing was measured holds nothing.
    pub const fn holds(&self) -> bool {
        self.looked_at > 0 && self.broken == 0
    }

    fn tell(&mut self, of: &str, measured: f64, wanted: &str, bound: f64, holds: bool) {
        self.looked_at += 1;
        self.broken += usize::from(!holds);
        let line = json!({
            "bench": self.bench, "what": "verdict", "of": of, "measured": two(measured), "wanted": wanted, "bound": bound,
            "verdict": if holds { "holds" } else { "does not hold" },
        });
        println!("{line}");
    }
}

/// Two digits after the point.
pub fn two(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_was_not_measured_does_not_hold() {
        assert!(!Verdict::of("test").holds());
        for (measured, least, most) in
            [(1.4, true, true), (1.39, false, true), (1.41, true, false), (f64::NAN, false, false)]
        {
            let mut verdict = Verdict::of("test");
            verdict.at_least("ratio", measured, 1.4);
            assert_eq!(verdict.holds(), least);
            let mut verdict = Verdict::of("test");
            verdict.at_most("ratio", measured, 1.4);
            assert_eq!(verdict.holds(), most);
        }
    }
}
