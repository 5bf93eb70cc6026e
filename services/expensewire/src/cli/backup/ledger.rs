//! The lines of a backup or an export, and what follows from them line by line: where the file stands in the log, and that
//! nothing in it was lost, altered or reordered.
//!
//! ```text
//! {"expensewire":"backup","version":1,"after":0,"link":"00…","created_at":"…"}      or "events", without "created_at"
//! {"id":"evt_…", … }                                     an event, byte for byte: link = BLAKE3(link before ‖ line)
//! {"expensewire":"link","at":41,"link":"…"}              what is between was removed; the link goes on from here
//! {"expensewire":"row","table":"progress","key":"sub_…","value":{…}}
//! {"expensewire":"end","last":…,"link":"…","horizon":…,"events":…,"rows":…,"hash":"…"}
//! ```
//!
//! The hash is the BLAKE3 of the file up to `,"hash":`.

use blake3::Hasher;
use event_model::Sequence;
use event_store::Link;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version of the form of the lines.
pub(super) const VERSION: u32 = 1;

/// What lines that are no events begin with.
const MARK: &[u8] = b"{\"expensewire\":";

/// What is before the hash in the last line.
const BEFORE_HASH: &[u8] = b",\"hash\":";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Everything.
    Backup,
    /// A range of events.
    Events,
}

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "expensewire")]
    pub kind: Kind,
    pub version: u32,
    /// The events follow this one,
    pub after: Sequence,
    /// whose link this is, if it is known.
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// A jump over what was removed.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Jump {
    pub at: Sequence,
    pub link: String,
}

/// A row of a table.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub table: String,
    pub key: String,
    pub value: Box<RawValue>,
}

/// The last line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct End {
    pub last: Sequence,
    pub link: Option<String>,
    pub horizon: Sequence,
    pub events: u64,
    pub rows: u64,
    pub hash: String,
}

/// One line, understood.
#[derive(Debug)]
pub(super) enum Entry {
    Header(Header),
    Jump,
    /// The event of this sequence, and the link before it.
    Event(Sequence, Option<Link>),
    Row(Row),
    End(End),
}

/// Why a line does not belong where it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("line {line} is no line of a backup or an export")]
    NotOurs { line: u64, source: Option<serde_json::Error> },
    #[error("line {line} is of version {version}; this program knows {VERSION}")]
    Newer { line: u64, version: u32 },
    #[error("line {line}: sequence {found} does not follow {at}")]
    OutOfPlace { line: u64, at: Sequence, found: Sequence },
    #[error("line {line}: {what} is not what the lines before it come to: something was lost, altered or reordered")]
    Differs { line: u64, what: &'static str },
}

/// What the lines so far come to.
#[derive(Clone)]
pub(super) struct Ledger {
    pub kind: Option<Kind>,
    /// The last position that the lines have come to, and its link if it is known.
    pub at: Sequence,
    pub link: Option<Link>,
    events: u64,
    rows: u64,
    lines: u64,
    ended: bool,
    hash: Hasher,
}

impl Ledger {
    /// No line is there yet; the first will say that the events follow `at`.
    pub fn after(at: Sequence) -> Self {
        Self { kind: None, at, link: None, events: 0, rows: 0, lines: 0, ended: false, hash: Hasher::new() }
    }

    /// Whether the last line was there.
    #[cfg(test)]
    fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes the next line in, which is without its end.
    pub fn take(&mut self, text: &[u8]) -> Result<Entry, LineError> {
        self.lines += 1;
        if self.ended || (self.lines == 1) != (self.kind.is_none()) {
            return Err(LineError::NotOurs { line: self.lines, source: None });
        }
        let entry = if text.starts_with(MARK) { self.control(text)? } else { self.event(text)? };
        if !self.ended {
            self.hash.update(text).update(b"\n");
        }
        Ok(entry)
    }

    /// The last line of what the lines so far come to.
    pub fn end(&self, horizon: Sequence) -> Result<End, serde_json::Error> {
        let (link, hash) = (self.link.map(|link| link.to_string()), String::new());
        let (last, events, rows) = (self.at, self.events, self.rows);
        let unsigned = End { last, link, horizon, events, rows, hash };
        let hash = self.hash_up_to(&line("end", &unsigned)?);
        Ok(End { hash, ..unsigned })
    }

    /// The hash of the lines so far and of `text` before its own hash.
    fn hash_up_to(&self, text: &[u8]) -> String {
        let end = text.windows(BEFORE_HASH.len()).rposition(|window| window == BEFORE_HASH).unwrap_or(text.len());
        self.hash.clone().update(&text[..end]).finalize().to_hex().to_string()
    }

    fn control(&mut self, text: &[u8]) -> Result<Entry, LineError> {
        #[derive(Deserialize)]
        struct Named {
            expensewire: String,
        }
        let named: Named = self.parse(text)?;
        match (named.expensewire.as_str(), self.kind) {
            ("backup" | "events", None) => self.header(text).map(Entry::Header),
            ("link", Some(_)) => self.jump(text),
            ("row", Some(Kind::Backup)) => {
                self.rows += 1;
                self.parse(text).map(Entry::Row)
            }
            ("end", Some(_)) => self.ending(text).map(Entry::End),
            _ => Err(LineError::NotOurs { line: self.lines, source: None }),
        }
    }

    fn header(&mut self, text: &[u8]) -> Result<Header, LineError> {
        let header: Header = self.parse(text)?;
        if header.version != VERSION {
            return Err(LineError::Newer { line: self.lines, version: header.version });
        }
        (self.kind, self.at, self.link) = (Some(header.kind), header.after, self.link_of(header.link.as_deref())?);
        Ok(header)
    }

    fn jump(&mut self, text: &[u8]) -> Result<Entry, LineError> {
        let jump: Jump = self.parse(text)?;
        if jump.at <= self.at {
            return Err(LineError::OutOfPlace { line: self.lines, at: self.at, found: jump.at });
        }
        (self.at, self.link) = (jump.at, self.link_of(Some(&jump.link))?);
        Ok(Entry::Jump)
    }

    fn event(&mut self, text: &[u8]) -> Result<Entry, LineError> {
        #[derive(Deserialize)]
        struct Placed {
            sequence: Sequence,
        }
        let Placed { sequence } = self.parse(text)?;
        if sequence != self.at.next() {
            return Err(LineError::OutOfPlace { line: self.lines, at: self.at, found: sequence });
        }
        let before = self.link;
        (self.at, self.link) = (sequence, before.map(|link| link.next(text)));
        self.events += 1;
        Ok(Entry::Event(sequence, before))
    }

    fn ending(&mut self, text: &[u8]) -> Result<End, LineError> {
        let told: End = self.parse(text)?;
        let differs = |what| Err(LineError::Differs { line: self.lines, what });
        match () {
            () if told.last != self.at => return differs("the last sequence"),
            () if told.link != self.link.map(|link| link.to_string()) => return differs("the last link"),
            () if (told.events, told.rows) != (self.events, self.rows) => return differs("the number of lines"),
            () if told.hash != self.hash_up_to(text) => return differs("the hash"),
            () => {}
        }
        self.ended = true;
        Ok(told)
    }

    fn link_of(&self, text: Option<&str>) -> Result<Option<Link>, LineError> {
        text.map(str::parse).transpose().map_err(|_| LineError::NotOurs { line: self.lines, source: None })
    }

    fn parse<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> Result<T, LineError> {
        serde_json::from_slice(text).map_err(|error| LineError::NotOurs { line: self.lines, source: Some(error) })
    }
}

/// `value` as a line that is no event. `name` is what it is called.
pub(super) fn line(name: &str, value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Marked<'a, T> {
        expensewire: &'a str,
        #[serde(flatten)]
        value: &'a T,
    }
    serde_json::to_vec(&Marked { expensewire: name, value })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A file of three events, of which the second is missing, and a row.
    fn file() -> Vec<Vec<u8>> {
        let event = |n: u64| format!("{{\"id\":\"evt_{n}\",\"sequence\":{n}}}").into_bytes();
        let second = Link::START.next(&event(1)).next(&event(2));
        let mut lines = vec![
            line("backup", &json!({"version": 1, "after": 0, "link": Link::START.to_string()})).unwrap(),
            event(1),
            line("link", &json!({"at": 2, "link": second.to_string()})).unwrap(),
            event(3),
            line("row", &json!({"table": "progress", "key": "sub_1", "value": {"cursor": 3}})).unwrap(),
        ];
        let mut ledger = Ledger::after(Sequence::START);
        lines.iter().for_each(|line| drop(ledger.take(line).unwrap()));
        assert_eq!(ledger.link, Some(second.next(&event(3))));
        lines.push(line("end", &ledger.end(Sequence(2)).unwrap()).unwrap());
        lines
    }

    fn read(lines: &[Vec<u8>]) -> Result<bool, LineError> {
        let mut ledger = Ledger::after(Sequence::START);
        lines.iter().try_for_each(|line| ledger.take(line).map(drop))?;
        Ok(ledger.has_ended())
    }

    #[test]
    fn a_file_reads_back_and_every_change_of_it_is_found() {
        let whole = file();
        assert!(read(&whole).unwrap());
        assert!(!read(&whole[..whole.len() - 1]).unwrap(), "cut short");
        for at in 0..whole.len() - 1 {
            let mut without = whole.clone();
            without.remove(at);
            assert!(read(&without).is_err(), "without line {at}");
            let mut twice = whole.clone();
            twice.insert(at, whole[at].clone());
            assert!(read(&twice).is_err(), "line {at} twice");
        }
        for at in 0..whole.len() {
            for byte in 0..whole[at].len() {
                let mut flipped = whole.clone();
                flipped[at][byte] ^= 1;
                assert!(read(&flipped).is_err(), "byte {byte} of line {at}");
            }
        }
    }

    #[test]
    fn nothing_follows_the_end_and_nothing_precedes_the_header() {
        let whole = file();
        assert!(read(&whole[1..]).is_err());
        assert!(read(&[&whole[..], &whole[1..2]].concat()).is_err());
    }
}
