//! One JSON value to one value of the model. Each function knows blank (missing, `null`, white space) from wrong.

use event_model::UpstreamDate;
use serde_json::{Number, Value};

use super::html;

/// Below this (2^49) a number with a fraction of nothing is read exactly: its digits, the fraction's zero among them, make an
/// integer that a double holds.
const EXACT: f64 = 562_949_953_421_312.0;

/// A value is not of the shape that its place needs. The value itself is not shown: it is somebody's data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column} is not {wanted}")]
pub(crate) struct Unfit {
    pub(crate) column: String,
    pub(crate) wanted: &'static str,
}

fn unfit<T>(column: &str, wanted: &'static str) -> Result<T, Unfit> {
    Err(Unfit { column: column.to_owned(), wanted })
}

/// Text, HTML entities decoded; a number counts as its digits.
pub(crate) fn text(column: &str, value: &Value) -> Result<Option<String>, Unfit> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Ok(Some(html::unescaped(text))),
        Value::Number(number) => match digits(number) {
            Some(digits) => Ok(Some(digits)),
            None => unfit(column, "a text"),
        },
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => unfit(column, "a text"),
    }
}

/// The upstream's ids have twenty characters at most; what is so long is none, and would fit no key of a store.
const MAX_ID_BYTES: usize = 200;

/// As [`text`], without blanks around it.
pub(crate) fn id(column: &str, value: &Value) -> Result<Option<String>, Unfit> {
    let id = text(column, value)?.map(|text| text.trim().to_owned());
    match id {
        Some(id) if id.len() > MAX_ID_BYTES => unfit(column, "an id"),
        id => Ok(id),
    }
}

fn digits(number: &Number) -> Option<String> {
    if let Some(float) = number.as_f64().filter(|_| number.is_f64()) {
        return (float.abs() < EXACT).then(|| format!("{float}"));
    }
    Some(number.to_string())
}

/// A whole number, also as text or with a fraction of nothing.
pub(crate) fn integer(column: &str, value: &Value) -> Result<Option<i64>, Unfit> {
    let wanted = "a whole number";
    let read = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if read.is_some() { Ok(read) } else { unfit(column, wanted) }
}

#[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^49 fits")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

/// Yes or no, also as text.
pub(crate) fn flag(column: &str, value: &Value) -> Result<Option<bool>, Unfit> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" | "yes" => Ok(Some(true)),
            "false" | "no" => Ok(Some(false)),
            _ => unfit(column, "yes or no"),
        },
        Value::Number(_) | Value::Array(_) | Value::Object(_) => unfit(column, "yes or no"),
    }
}

/// A date in either form.
pub(crate) fn date(column: &str, value: &Value) -> Result<Option<UpstreamDate>, Unfit> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => UpstreamDate::parse_blank(text).or_else(|_| unfit(column, "a date")),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => unfit(column, "a date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blank_in_all_its_forms_is_none_everywhere() {
        for blank in [json!(null), json!(""), json!(" \t")] {
            assert_eq!(text("c", &blank), Ok(None));
            assert_eq!(integer("c", &blank), Ok(None));
            assert_eq!(flag("c", &blank), Ok(None));
            assert_eq!(date("c", &blank), Ok(None));
        }
    }

    #[test]
    fn numbers_and_texts_stand_for_each_other() {
        assert_eq!(id("c", &json!(1_234_567_890_123_456_789_i64)).unwrap().unwrap(), "1234567890123456789");
        assert_eq!(id("c", &json!(" 77 ")).unwrap().unwrap(), "77");
        assert_eq!(text("c", &json!("a &amp;lt; b")).unwrap().unwrap(), "a &lt; b", "decoded once");
        assert_eq!(text("c", &json!(20.0)).unwrap().unwrap(), "20");
        assert_eq!(text("c", &json!(5.5)).unwrap().unwrap(), "5.5");
        for value in [json!(-1875), json!("-1875"), json!(-1875.0), json!(" -1875 ")] {
            assert_eq!(integer("c", &value), Ok(Some(-1875)));
        }
        for value in [json!(true), json!("TRUE"), json!("Yes")] {
            assert_eq!(flag("c", &value), Ok(Some(true)));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_not_a_blank() {
        for wrong in [json!("1,234"), json!("∞"), json!("NaN"), json!(0.5), json!(1e20), json!({}), json!(true)] {
            assert!(integer("c", &wrong).is_err(), "{wrong}");
        }
        for wrong in [json!({}), json!([1]), json!(true), json!(1e20), json!(2_080_715_894_610_667.0)] {
            assert!(text("c", &wrong).is_err(), "{wrong}");
        }
        for wrong in [json!("maybe"), json!(2), json!({})] {
            assert!(flag("c", &wrong).is_err(), "{wrong}");
        }
        for wrong in [json!("٢٠٢٦-٠٤-٠٢"), json!("2 April"), json!(20_260_402), json!({})] {
            assert!(date("c", &wrong).is_err(), "{wrong}");
        }
    }
}
