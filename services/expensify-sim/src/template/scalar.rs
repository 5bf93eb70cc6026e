//! One value of the data model, written as the templates write it.

use serde_json::{Number, Value};

use super::EngineSettings;

/// Fraction digits that `?c` prints at most.
const FRACTION_DIGITS: usize = 16;

/// Appends one scalar. Missing and empty structures are null; a structure where a scalar belongs is `{}`.
pub(super) fn value(out: &mut String, value: Option<&Value>, engine: &EngineSettings) {
    match value {
        None | Some(Value::Null) => out.push_str("null"),
        Some(Value::Bool(yes)) => out.push_str(if *yes { "true" } else { "false" }),
        Some(Value::Number(n)) => out.push_str(&computer_number(n)),
        Some(Value::String(text)) if engine.escapes_html => quoted(out, &html_escaped(text)),
        Some(Value::String(text)) => quoted(out, text),
        Some(Value::Array(items)) => out.push_str(if items.is_empty() { "null" } else { "{}" }),
        Some(Value::Object(keys)) => out.push_str(if keys.is_empty() { "null" } else { "{}" }),
    }
}

/// Appends a text as `?json_string` and the template's five replacements leave it, in quotes.
pub(super) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut before = None;
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '/' if matches!(before, None | Some('<')) => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '"' | '&' | '<' | '>' | '\'' | '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            other => out.push(other),
        }
        before = Some(c);
    }
    out.push('"');
}

/// What `?c` prints: no exponent, no grouping, at most sixteen fraction digits.
fn computer_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let text = format!("{float}");
            match text.split_once('.') {
                Some((_, fraction)) if fraction.len() > FRACTION_DIGITS => {
                    let rounded = format!("{float:.FRACTION_DIGITS$}");
                    rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
                }
                _ => text,
            }
        }
        _ => number.to_string(),
    }
}

fn html_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(of: Value) -> String {
        let mut out = String::new();
        value(&mut out, Some(&of), &EngineSettings::default());
        out
    }

    #[test]
    fn every_text_reads_back_and_holds_no_markup() {
        let hazards: String = (0..0x300).chain([0x2028, 0x2029, 0x1f600]).filter_map(char::from_u32).collect();
        for text in [hazards.as_str(), "/a</b>", "\\\"\\\\\"", "]]>--><!--", ""] {
            let line = written(json!(text));
            let inner = &line[1..line.len() - 1];
            assert!(!inner.contains(['&', '<', '>', '"', '\'']), "{line}");
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }

    #[test]
    fn scalars_are_scalars_and_structures_are_told_apart_from_blanks() {
        for (of, wanted) in [
            (json!(1_234_567), "1234567"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(-0.5), "-0.5"),
            (json!(1e20), "100000000000000000000"),
            (json!(true), "true"),
            (json!([]), "null"),
            (json!({}), "null"),
            (json!([1]), "{}"),
            (json!({"a": 1}), "{}"),
        ] {
            assert_eq!(written(of), wanted);
        }
    }
}
