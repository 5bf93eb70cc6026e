//! The cheap look at a row: its number, its content, its report's id, without reading the JSON.
//!
//! It goes by the bytes that our template writes and nothing else: `{"t":"row","i":N,"report":[ID,` where N is a plain
//! decimal number and ID a text of letters and digits or a plain whole number. Whatever else stands there is not guessed
//! at: `None`, or an id of `None`, and the row is read as JSON.

use std::ops::Range;

const BEFORE_NUMBER: &[u8] = br#"{"t":"row","i":"#;
const BEFORE_CONTENT: &[u8] = b",";
const BEFORE_ID: &[u8] = br#""report":["#;
/// So many digits are no overflow.
const MAX_DIGITS: usize = 18;
/// An id that is longer is odd.
const MAX_ID_BYTES: usize = 32;

/// What the cheap look finds in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Its number in the block.
    pub(crate) i: u64,
    /// Where the content begins, which goes on to the end: all but the number and the text before it, which is always the
    /// same.
    pub(crate) content: usize,
    /// Where the id stands, without quotes; `None` when it has to be read as JSON.
    pub(crate) id: Option<Range<usize>>,
}

/// Looks at a line; `None` when it is not a row as our template writes them.
pub(crate) fn row(line: &[u8]) -> Option<Scanned> {
    let rest = line.strip_prefix(BEFORE_NUMBER)?;
    let digits = number(rest)?;
    let i = rest[..digits].iter().fold(0, |i, digit| i * 10 + u64::from(digit - b'0'));
    let content = BEFORE_NUMBER.len() + digits + BEFORE_CONTENT.len();
    let cells = rest[digits..].strip_prefix(BEFORE_CONTENT)?.strip_prefix(BEFORE_ID)?;
    let first = content + BEFORE_ID.len();
    let id = id(cells).map(|cell| first + cell.start..first + cell.end);
    Some(Scanned { i, content, id })
}

/// The first cell of a report, when it is a plain id and another cell follows.
fn id(cells: &[u8]) -> Option<Range<usize>> {
    let (cell, after) = match cells.strip_prefix(b"\"") {
        Some(text) => {
            let bytes = text.iter().take(MAX_ID_BYTES + 1).take_while(|b| b.is_ascii_alphanumeric()).count();
            ((1..=MAX_ID_BYTES).contains(&bytes).then_some(1..1 + bytes)?, &b"\","[..])
        }
        None => (0..number(cells)?, &b","[..]),
    };
    cells[cell.end..].starts_with(after).then_some(cell)
}

/// How many digits of a whole number stand first; `None` for none, too many, and a zero before others.
fn number(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take(MAX_DIGITS + 1).take_while(|b| b.is_ascii_digit()).count();
    let plain = (1..=MAX_DIGITS).contains(&digits) && (digits == 1 || text[0] != b'0');
    plain.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_as_the_template_writes_it_is_known_by_its_bytes() {
        for (line, i, content, id) in [
            (
                r#"{"t":"row","i":0,"report":["R00AbCdEf123",""#,
                0,
                r#""report":["R00AbCdEf123",""#,
                Some("R00AbCdEf123"),
            ),
            (
                r#"{"t":"row","i":12345,"report":["2080715894610667",null"#,
                12345,
                r#""report":["2080715894610667",null"#,
                Some("2080715894610667"),
            ),
            (
                r#"{"t":"row","i":7,"report":[2080715894610667,"#,
                7,
                r#""report":[2080715894610667,"#,
                Some("2080715894610667"),
            ),
        ] {
            let scanned = row(line.as_bytes()).expect(line);
            assert_eq!((scanned.i, &line[scanned.content..], scanned.id.map(|id| &line[id])), (i, content, id));
        }
    }

    #[test]
    fn an_odd_id_is_left_to_the_parser() {
        for cell in [
            "null",
            "\"\"",
            "\" R1\"",
            "\"R1 \"",
            "\"R-1\"",
            "\"R\\u0031\"",
            "\"&#82;1\"",
            "\"R1",
            "\"R1\"]",
            "01",
            "-1",
            "1.0",
            "1e3",
            "1234567890123456789",
            "\"R0123456789012345678901234567890123\"",
            "true",
            "{}",
            "\"Ré\"",
        ] {
            let line = format!(r#"{{"t":"row","i":3,"report":[{cell},null]"#);
            let scanned = row(line.as_bytes()).expect(cell);
            assert_eq!((scanned.i, scanned.id), (3, None), "{cell}");
        }
        assert_eq!(row(br#"{"t":"row","i":3,"report":["R1""#).expect("a row").id, None, "no cell follows");
        assert_eq!(row(br#"{"t":"row","i":3,"report":["#).expect("a row").id, None);
    }

    #[test]
    fn anything_else_is_no_row_to_the_cheap_look() {
        for line in [
            "",
            r#"{"t":"row","i":"#,
            r#"{"t":"row","i":1"#,
            r#"{"t":"row","i":,"report":["R1","#,
            r#"{"t":"row","i":01,"report":["R1","#,
            r#"{"t":"row","i":+1,"report":["R1","#,
            r#"{"t":"row","i":-1,"report":["R1","#,
            r#"{"t":"row","i":1.0,"report":["R1","#,
            r#"{"t":"row","i":1,000,"report":["R1","#,
            r#"{"t":"row","i":1234567890123456789,"report":["R1","#,
            r#"{"t":"row","i":1, "report":["R1","#,
            r#"{"t": "row","i":1,"report":["R1","#,
            r#" {"t":"row","i":1,"report":["R1","#,
            r#"{"t":"row","i":1,"approvers":[],"report":["R1","#,
            r#"{"t":"rows","i":1,"report":["R1","#,
            r#"{"t":"fault","i":1,"reportID":"R1","#,
            r#"{&quot;t&quot;:&quot;row&quot;,&quot;i&quot;:1,"#,
        ] {
            assert_eq!(row(line.as_bytes()), None, "{line}");
        }
    }
}
