//! The file's layer: TOML, with the line of every key.

use std::{fs, io, path::Path};

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    draft::Draft,
    error::Finding,
    place::{KeyPath, Origin},
};

/// Puts what the file at `path` says into `draft`, or tells why it cannot be read: every error of syntax at once.
pub(super) fn read(path: &Path, draft: &mut Draft) -> Result<(), Vec<Finding>> {
    let text = fs::read_to_string(path).map_err(|source| vec![unreadable(path, &source)])?;
    let (table, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        let lines = Lines { path, text: &text };
        let mut errors: Vec<_> = errors.iter().collect();
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        return Err(errors.into_iter().map(|error| lines.syntax_error(error)).collect());
    }
    let mut reader = Reader { lines: Lines { path, text: &text }, draft };
    let tree = reader.table(&KeyPath::default(), table.get_ref());
    draft.tree = tree;
    Ok(())
}

fn unreadable(path: &Path, source: &io::Error) -> Finding {
    let finding = |what| Finding::new(KeyPath::default(), Origin::Default, what);
    match source.kind() {
        io::ErrorKind::NotFound => finding(format!("there is no file {}", path.display()))
            .hint(format!("`expensewire config init {}` writes an example to start from", path.display())),
        _ => finding(format!("{} cannot be read: {source}", path.display())),
    }
}

struct Lines<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Lines<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { path: self.path.to_owned(), line }
    }

    /// Only the parser's message: its full text quotes the line, and that line may hold a secret.
    fn syntax_error(&self, error: &toml::de::Error) -> Finding {
        let origin = self.origin(error.span().map_or(0, |span| span.start));
        Finding::new(KeyPath::default(), origin, format!("this is not TOML: {}", error.message()))
    }
}

struct Reader<'a> {
    lines: Lines<'a>,
    draft: &'a mut Draft,
}

impl Reader<'_> {
    fn table(&mut self, at: &KeyPath, table: &DeTable<'_>) -> Map<String, Value> {
        let mut tree = Map::new();
        for (name, value) in table {
            let key = at.join(name.get_ref().as_ref());
            let origin = self.lines.origin(name.span().start);
            self.draft.origins.set(key.clone(), origin);
            if let Some(value) = self.value(&key, value) {
                tree.insert(name.get_ref().to_string(), value);
            }
        }
        tree
    }

    fn value(&mut self, key: &KeyPath, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Value::Object(self.table(key, table))),
            DeValue::Array(items) => items.iter().map(|item| self.value(key, item)).collect(),
            other => {
                let json = scalar(other);
                if json.is_none() {
                    self.draft.mistake(key, "is a number out of range");
                }
                json
            }
        }
    }
}

/// The JSON of a TOML value, lines forgotten; `None` for a number that JSON has not (`nan`, `inf`, more than 64 bits).
pub(super) fn literal(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| literal(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| Some((name.get_ref().to_string(), literal(value.get_ref())?))).collect()
        }
        other => scalar(other),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Boolean(flag) => Some(Value::from(*flag)),
        DeValue::Datetime(time) => Some(Value::from(time.to_string())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::from),
        DeValue::Float(number) => float(number.as_str().parse().ok()?),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// A whole float becomes an integer, so that `15.0` is as good as `15` wherever a whole number is wanted.
fn float(number: f64) -> Option<Value> {
    /// Up to here every whole number is a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Some(Value::from(number as i64))
    } else {
        Number::from_f64(number).map(Value::Number)
    }
}
