//! Faults by switch, and the state that says which of them strikes now.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When a fault strikes: the next so many times, and after that by chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Strikes this many times more for certain.
    pub next: u32,
    /// Then with this probability, 0 to 1.
    pub probability: f64,
}

impl Fault {
    /// Strikes the next `count` times.
    pub fn times(count: u32) -> Self {
        Self { next: count, probability: 0.0 }
    }

    /// Strikes with a probability of 0 to 1.
    pub fn chance(probability: f64) -> Self {
        Self { next: 0, probability }
    }

    /// Strikes every time.
    pub fn always() -> Self {
        Self::chance(1.0)
    }
}

/// All faults. What is left out is off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Any request: a maintenance page with HTTP 200. The job does not run.
    pub html_page: Fault,
    /// Any request: HTTP 502 with a page. The job does not run.
    pub http_502: Fault,
    /// Any request: HTTP 503 with a page. The job does not run.
    pub http_503: Fault,
    /// Any request: the rate limit envelope with HTTP 429, whatever the windows say.
    pub rate_limited_http: Fault,
    /// Any request: the rate limit envelope with HTTP 200, whatever the windows say.
    pub rate_limited_body: Fault,
    /// Any request: the job runs, then the connection is cut without an answer.
    pub reset_after_job: Fault,
    /// Exports: the answer is held back by `slow_export_ms` after the file was written.
    pub slow_export: Fault,
    /// How long `slow_export` holds back.
    pub slow_export_ms: u64,
    /// Exports: HTTP 200 with an error envelope instead of a file name.
    pub error_instead_of_file_name: Fault,
    /// Downloads: no bytes.
    pub empty_download: Fault,
    /// Downloads: the first half of the bytes.
    pub truncated_download: Fault,
    /// Downloads: `File not found`.
    pub file_not_found: Fault,
    /// Exports, card and policy lists: one row comes twice.
    pub duplicate_rows: Fault,
    /// Exports, card and policy lists: rows in random order.
    pub reordered_rows: Fault,
    /// Exports: the value of `blank_key` is missing in the first record that has it, as an ignored template error leaves it.
    pub blank_value: Fault,
    /// The key for `blank_value`; `total` when empty.
    pub blank_key: String,
    /// Exports: a template error message in DEBUG style at the end.
    pub debug_text: Fault,
    /// Exports: two complete renderings, half the reports each.
    pub two_blocks: Fault,
    /// Exports: `addHeader` is false.
    pub no_header: Fault,
    /// Exports: text values arrive HTML-escaped.
    pub html_escaped: Fault,
    /// Exports: line ends are CR LF.
    pub crlf: Fault,
    /// Exports: a byte order mark in front.
    pub bom: Fault,
    /// Exports: one report comes twice, with different content.
    pub differing_rows: Fault,
    /// Exports: HTTP 200 with code 403 instead of a file name.
    pub export_forbidden: Fault,
    /// Policy lists and details: code 403.
    pub policies_forbidden: Fault,
    /// Exports: the dates of reports and approvals are days. Cards: so is `created`.
    pub dates_as_days: Fault,
    /// Exports: the dates of expenses are moments. Cards: so is `scrapeMinDate`.
    pub dates_as_moments: Fault,
    /// Exports: ids of reports in the old spelling only.
    pub old_ids: Fault,
    /// Exports, card lists, policy details: numbers are text.
    pub numbers_as_text: Fault,
    /// Exports, card and policy lists, policy details: what is blank is missing.
    pub blank_missing: Fault,
    /// Exports, policy details: the lists within come in random order (history has a switch of its own; levels of tags
    /// keep their order, which has a meaning).
    pub shuffled_lists: Fault,
    /// Exports: the history of each report comes in random order.
    pub shuffled_history: Fault,
    /// Exports: no report has a history.
    pub no_history: Fault,
    /// Exports: each report's history holds one entry that contradicts its state: a later step back, a payment that was
    /// none, or an approval ten years on.
    pub history_contradicts: Fault,
    /// Exports: each report's newest entry of history is missing while it is younger than `history_lag_s`.
    pub history_lag: Fault,
    /// For `history_lag`; 0: however old it is.
    pub history_lag_s: u32,
    /// Card and policy lists, policy details: one more field, always the same.
    pub extra_field: Fault,
    /// Card and policy lists, policy details: one more field, different at every read.
    pub volatile_field: Fault,
    /// Policy details: flat tags come as one level without a name.
    pub tags_levelled: Fault,
    /// Policy details: tags of one level come flat.
    pub tags_flat: Fault,
    /// Exports: white space at both ends is gone.
    pub trimmed: Fault,
    /// Exports: Latin-1 instead of UTF-8, `?` for what it lacks.
    pub latin1: Fault,
}

/// A probability that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("fault {0}: probability must lie between 0 and 1")]
pub struct BadProbability(
    /// The fault's name.
    pub &'static str,
);

impl Faults {
    /// Checks every probability.
    ///
    /// # Errors
    /// The first fault whose probability is not between 0 and 1.
    pub fn check(&self) -> Result<(), BadProbability> {
        let mut copy = self.clone();
        for kind in FaultKind::ALL {
            let (name, fault) = kind.of(&mut copy);
            if !(0.0..=1.0).contains(&fault.probability) {
                return Err(BadProbability(name));
            }
        }
        Ok(())
    }
}

macro_rules! fault_kinds {
    ($($kind:ident => $field:ident),+ $(,)?) => {
        /// Names one fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum FaultKind { $($kind),+ }

        impl FaultKind {
            const ALL: &[Self] = &[$(Self::$kind),+];

            fn of(self, faults: &mut Faults) -> (&'static str, &mut Fault) {
                match self { $(Self::$kind => (stringify!($field), &mut faults.$field)),+ }
            }
        }
    };
}

fault_kinds! {
    HtmlPage => html_page, Http502 => http_502, Http503 => http_503,
    RateLimitedHttp => rate_limited_http, RateLimitedBody => rate_limited_body,
    ResetAfterJob => reset_after_job, SlowExport => slow_export, ErrorInsteadOfFileName => error_instead_of_file_name,
    EmptyDownload => empty_download, TruncatedDownload => truncated_download, FileNotFound => file_not_found,
    DuplicateRows => duplicate_rows, ReorderedRows => reordered_rows, BlankValue => blank_value, DebugText => debug_text,
    TwoBlocks => two_blocks, NoHeader => no_header, HtmlEscaped => html_escaped, Crlf => crlf, Bom => bom,
    Trimmed => trimmed, Latin1 => latin1, DifferingRows => differing_rows, ExportForbidden => export_forbidden,
    PoliciesForbidden => policies_forbidden, DatesAsDays => dates_as_days, DatesAsMoments => dates_as_moments,
    OldIds => old_ids, NumbersAsText => numbers_as_text, BlankMissing => blank_missing, ShuffledLists => shuffled_lists,
    ShuffledHistory => shuffled_history, NoHistory => no_history, HistoryContradicts => history_contradicts,
    HistoryLag => history_lag, ExtraField => extra_field, VolatileField => volatile_field,
    TagsLevelled => tags_levelled, TagsFlat => tags_flat,
}

/// The switches with their own generator, and how often each fault struck.
#[derive(Debug)]
pub(crate) struct FaultState {
    faults: Faults,
    rng: StdRng,
    struck: BTreeMap<&'static str, u64>,
}

impl FaultState {
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, rng: StdRng::seed_from_u64(seed ^ 0x6661_756c_7473), struck: BTreeMap::new() }
    }

    /// The switches as they stand now, counts included.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Replaces all switches.
    pub(crate) fn replace(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// How often each fault struck.
    pub(crate) fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.struck.clone()
    }

    /// Whether this fault strikes now. Asking uses up one of its `next`.
    pub(crate) fn strikes(&mut self, kind: FaultKind) -> bool {
        let (name, fault) = kind.of(&mut self.faults);
        let strikes = if fault.next > 0 {
            fault.next -= 1;
            true
        } else {
            fault.probability > 0.0 && self.rng.random_bool(fault.probability.min(1.0))
        };
        if strikes {
            *self.struck.entry(name).or_default() += 1;
        }
        strikes
    }

    /// The generator, for faults that need chance.
    pub(crate) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_strikes_that_often_and_no_more() {
        let faults = Faults { bom: Fault::times(2), ..Faults::default() };
        let mut state = FaultState::new(faults, 1);
        let struck: Vec<bool> = (0..4).map(|_| state.strikes(FaultKind::Bom)).collect();
        assert_eq!(struck, [true, true, false, false]);
        assert_eq!(state.struck()["bom"], 2);
        assert!(!state.strikes(FaultKind::Crlf));
    }

    #[test]
    fn a_probability_outside_the_unit_is_refused() {
        for bad in [-0.1, 1.1, f64::NAN] {
            let faults = Faults { crlf: Fault::chance(bad), ..Faults::default() };
            assert_eq!(faults.check(), Err(BadProbability("crlf")));
        }
        assert_eq!(Faults { crlf: Fault::always(), ..Faults::default() }.check(), Ok(()));
    }

    #[test]
    fn an_unknown_switch_is_refused() {
        assert!(serde_json::from_str::<Faults>(r#"{"html_pages":{"next":1}}"#).is_err());
        assert!(serde_json::from_str::<Faults>(r#"{"html_page":{"times":1}}"#).is_err());
    }
}
