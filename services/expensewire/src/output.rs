//! What commands print: tables for people, JSON for programs. Everything that came from elsewhere is shown without
//! control characters, so that no event or subscription can play with a person's terminal.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

/// Fields that a person looks for first.
const FIRST: [&str; 2] = ["id", "secret"];

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON value a line.
    Ndjson,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub head: &'static str,
    /// Where in an item its value is, as a JSON pointer.
    pub pointer: &'static str,
}

/// Where a command prints to.
pub struct Output {
    format: Format,
    colour: bool,
    out: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output, in the format asked for; without one, a table on a terminal and JSON elsewhere. Colour needs a
    /// terminal and no `NO_COLOR`.
    pub fn stdout(format: Option<Format>) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let format = format.unwrap_or(if terminal { Format::Table } else { Format::Json });
        Self { format, colour, out: Box::new(stdout) }
    }

    /// Any writer, without colour.
    pub fn to(format: Format, out: impl Write + Send + 'static) -> Self {
        Self { format, colour: false, out: Box::new(out) }
    }

    /// The form in use.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Prints many items of one kind.
    pub fn list(&mut self, columns: &[Column], items: &[Value]) -> io::Result<()> {
        match self.format {
            Format::Table => self.table(columns, items)?,
            Format::Json => serde_json::to_writer_pretty(&mut self.out, items).map_err(io::Error::from)?,
            Format::Ndjson => items.iter().try_for_each(|item| writeln!(self.out, "{item}"))?,
        }
        if self.format == Format::Json {
            writeln!(self.out)?;
        }
        self.out.flush()
    }

    /// Prints one item whole.
    pub fn item(&mut self, item: &Value) -> io::Result<()> {
        match (self.format, item) {
            (Format::Table, Value::Object(fields)) => {
                let width = fields.keys().map(|name| name.chars().count()).max().unwrap_or(0);
                let first = |name: &str| FIRST.contains(&name);
                let (head, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| first(name));
                for (name, value) in head.into_iter().chain(rest) {
                    let head = self.bold(&format!("{:<width$}", plain(name)));
                    writeln!(self.out, "{head}  {}", block(value, width + 2))?;
                }
            }
            (Format::Ndjson, item) => writeln!(self.out, "{item}")?,
            (Format::Table | Format::Json, item) => writeln!(self.out, "{item:#}")?,
        }
        self.out.flush()
    }

    fn table(&mut self, columns: &[Column], items: &[Value]) -> io::Result<()> {
        let rows: Vec<Vec<String>> = items
            .iter()
            .map(|item| columns.iter().map(|c| item.pointer(c.pointer).map_or_else(|| "-".to_owned(), cell)).collect())
            .collect();
        let width = |index: usize, head: &str| {
            rows.iter().map(|row| row[index].chars().count()).chain([head.len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = columns.iter().enumerate().map(|(index, c)| width(index, c.head)).collect();
        let heads: Vec<String> = columns.iter().map(|column| column.head.to_owned()).collect();
        let head = self.bold(&aligned(&heads, &widths));
        writeln!(self.out, "{head}")?;
        rows.iter().try_for_each(|row| writeln!(self.out, "{}", aligned(row, &widths)))
    }

    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

/// A value in one line.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => plain(&other.to_string()),
    }
}

/// A value that may take several lines; those after the first are indented.
fn block(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let margin = format!("\n{}", " ".repeat(indent));
            format!("{value:#}").lines().map(plain).collect::<Vec<_>>().join(&margin)
        }
        Value::Object(_) => "-".to_owned(),
        other => cell(other),
    }
}

/// `text` with every control character replaced: none reaches a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        Column { head: "ID", pointer: "/id" },
        Column { head: "STATUS", pointer: "/status/state" },
        Column { head: "EVENTS", pointer: "/events" },
    ];

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(format: Format, print: impl FnOnce(&mut Output) -> io::Result<()>) -> String {
        let sink = Sink::default();
        print(&mut Output::to(format, sink.clone())).unwrap();
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn items() -> Vec<Value> {
        vec![
            json!({"id": "sub_1", "status": {"state": "active"}, "events": ["report.*", "card.added"]}),
            json!({"id": "sub_22222", "events": []}),
        ]
    }

    #[test]
    fn a_table_is_aligned_and_shows_a_dash_for_what_is_not_there() {
        let text = printed(Format::Table, |out| out.list(COLUMNS, &items()));
        assert_eq!(text, "ID         STATUS  EVENTS\nsub_1      active  report.*,card.added\nsub_22222  -       -\n");
    }

    #[test]
    fn json_is_one_document_and_ndjson_a_line_each() {
        let whole = printed(Format::Json, |out| out.list(COLUMNS, &items()));
        assert_eq!(serde_json::from_str::<Value>(&whole).unwrap(), Value::Array(items()));
        let lines = printed(Format::Ndjson, |out| out.list(COLUMNS, &items()));
        let read: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, items());
    }

    #[test]
    fn one_item_is_shown_field_by_field() {
        let item = json!({"id": "sub_1", "filter": {"events": ["a"]}, "lag": 3, "accounts": []});
        let text = printed(Format::Table, |out| out.item(&item));
        assert!(text.starts_with("id        sub_1\n") && text.contains("lag       3\n"), "{text}");
        assert!(text.contains("filter    {\n"), "{text}");
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let hostile = json!({"id": "a\u{1b}]0;owned\u{7}\nb\u{9b}31m", "events": {"x\u{1b}": "\u{1b}[2J"}});
        for print in [
            printed(Format::Table, |out| out.list(COLUMNS, std::slice::from_ref(&hostile))),
            printed(Format::Table, |out| out.item(&hostile)),
        ] {
            assert!(!print.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{print:?}");
        }
    }
}
