//! Faults of the export engine: what they do to the rows before they are rendered and to the bytes after.

use bytes::Bytes;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::Value;
use std::sync::Arc;

use crate::faults::{FaultKind, FaultState};
use crate::template::EngineSettings;
use crate::tenant::report::Report;

/// What the DEBUG exception handler of the engine appends.
const DEBUG_TEXT: &str = "\nFreeMarker template error (DEBUG mode; use RETHROW in production!):\nThe following has evaluated to \
     null or missing:\n==> expense.comment  [in template \"template\" at line 1, column 1201]\n";

/// The faults that strike one export, drawn at once so that nothing is locked while the engine works.
#[derive(Debug)]
pub(crate) struct Plan {
    html_escaped: bool,
    no_header: bool,
    two_blocks: bool,
    blank_key: Option<String>,
    debug_text: bool,
    trimmed: bool,
    crlf: bool,
    bom: bool,
    latin1: bool,
}

impl Plan {
    /// Draws them, and doubles or shuffles the reports.
    pub(crate) fn draw(state: &mut FaultState, reports: &mut Vec<Arc<Report>>) -> Self {
        if !reports.is_empty() && state.strikes(FaultKind::DifferingRows) {
            let mut other = reports[state.rng().random_range(0..reports.len())].as_ref().clone();
            other.title.push_str(" (copy)");
            reports.push(Arc::new(other));
        }
        rows(state, reports);
        let blank_key = state.strikes(FaultKind::BlankValue).then(|| state.faults().blank_key);
        Self {
            html_escaped: state.strikes(FaultKind::HtmlEscaped),
            no_header: state.strikes(FaultKind::NoHeader),
            two_blocks: state.strikes(FaultKind::TwoBlocks),
            blank_key: blank_key.map(|key| if key.is_empty() { "total".to_owned() } else { key }),
            debug_text: state.strikes(FaultKind::DebugText),
            trimmed: state.strikes(FaultKind::Trimmed),
            crlf: state.strikes(FaultKind::Crlf),
            bom: state.strikes(FaultKind::Bom),
            latin1: state.strikes(FaultKind::Latin1),
        }
    }

    /// Renders under these faults.
    pub(crate) fn render(
        &self,
        engine: &EngineSettings,
        reports: &[Arc<Report>],
        mut render: impl FnMut(&[Arc<Report>], &EngineSettings) -> String,
    ) -> Bytes {
        let mut engine = engine.clone();
        engine.escapes_html |= self.html_escaped;
        engine.add_header &= !self.no_header;
        let text = if self.two_blocks {
            let (first, second) = reports.split_at(reports.len() / 2);
            render(first, &engine) + &render(second, &engine)
        } else {
            render(reports, &engine)
        };
        self.bytes(text)
    }

    fn bytes(&self, mut text: String) -> Bytes {
        if let Some(key) = &self.blank_key {
            text = blank(&text, key);
        }
        if self.debug_text {
            text.push_str(DEBUG_TEXT);
        }
        if self.trimmed {
            text = text.trim().to_owned();
        }
        if self.crlf {
            text = text.replace('\n', "\r\n");
        }
        if self.bom {
            text.insert(0, '\u{feff}');
        }
        if self.latin1 {
            return text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        }
        Bytes::from(text)
    }
}

/// Doubles or shuffles rows.
pub(crate) fn rows<Row: Clone>(state: &mut FaultState, rows: &mut Vec<Row>) {
    if !rows.is_empty() && state.strikes(FaultKind::DuplicateRows) {
        let twice = state.rng().random_range(0..rows.len());
        rows.push(rows[twice].clone());
    }
    if state.strikes(FaultKind::ReorderedRows) {
        rows.shuffle(state.rng());
    }
}

/// Takes one value away, as an engine does that ignores a failing interpolation: that of the column `key` in the first
/// row of a text whose first line names its columns, else the one after the first `"key":`.
fn blank(text: &str, key: &str) -> String {
    let named = format!("\"{key}\":");
    let place = column(text, key).or_else(|| text.find(&named).map(|at| at + named.len()));
    let Some(place) = place else { return text.to_owned() };
    let rest = &text[place..];
    format!("{}{}", &text[..place], &rest[scalar_end(rest)..])
}

/// Where the value of a report's column starts in the first row.
fn column(text: &str, key: &str) -> Option<usize> {
    let first: Value = serde_json::from_str(text.lines().next()?).ok()?;
    let at = first["columns"]["report"].as_array()?.iter().position(|column| column == key)?;
    let cells = "\"report\":[";
    let first_row = text.find('\n')?;
    let mut place = first_row + text[first_row..].find(cells)? + cells.len();
    for _ in 0..at {
        place += scalar_end(&text[place..]) + 1;
    }
    Some(place)
}

/// Where the JSON scalar at the start of `text` ends.
fn scalar_end(text: &str) -> usize {
    let end = if text.starts_with('"') { string_end(text) } else { text.find([',', '}', ']', '\n']) };
    end.unwrap_or(text.len())
}

/// Where the JSON string at the start of `text` ends, closing quote included.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    let close = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    close.map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blanked_value_leaves_its_key_and_nothing_after_it() {
        assert_eq!(blank(r#"{"a":1,"total":250,"b":2}"#, "total"), r#"{"a":1,"total":,"b":2}"#);
        assert_eq!(blank(r#"{"total":"x\",\"y"}"#, "total"), r#"{"total":}"#);
        assert_eq!(blank(r#"{"a":1}"#, "total"), r#"{"a":1}"#);
        let text =
            "{\"columns\":{\"report\":[\"name\",\"total\"]}}\n{\"report\":[\"a,b\",5]}\n{\"report\":[\"c\",6]}\n";
        assert_eq!(blank(text, "total"), text.replace(",5", ","));
        assert_eq!(blank(text, "name"), text.replace("\"a,b\"", ""));
    }
}
