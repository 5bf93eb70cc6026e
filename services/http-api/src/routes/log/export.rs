//! The log and the tables as lines that anyone can read.
//!
//! A line is an event, byte for byte as it was signed, or begins with `{"expensewire":`. The chain is followed line by line:
//! the link of an event is the BLAKE3 hash of the link before it and the line. Where retention has removed the event
//! before one, a `link` line says what the link before it is. What is read again from a position that an answer broke off at,
//! goes on as if it had not.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use event_model::Sequence;
use event_store::{StoreError, TableName};
use futures_util::{Stream, stream};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use super::{line_of, problem};
use crate::{
    config::{EXPORT_BATCH, MAX_STREAM_BYTES},
    state::Api,
};

/// The version of the form of the lines.
const VERSION: u32 = 1;

/// A line that is no event.
#[derive(Serialize)]
#[serde(tag = "expensewire", rename_all = "lowercase")]
enum Line<'a> {
    /// The first: the events follow the one of this link.
    Events { version: u32, after: Sequence, link: Option<String> },
    /// The next event follows the one at this position, which is not there any more.
    Link { at: Sequence, link: String },
    /// A row of a table.
    Row { table: &'a str, key: &'a str, value: &'a RawValue },
    /// The last of an export of events.
    End { last: Sequence, link: Option<String>, horizon: Sequence },
    /// The last of an export of tables.
    Rows { rows: u64 },
}

impl Line<'_> {
    fn bytes(&self) -> Result<Bytes, StoreError> {
        let mut text = serde_json::to_vec(self).map_err(no_json)?;
        text.push(b'\n');
        Ok(text.into())
    }
}

fn no_json(error: serde_json::Error) -> StoreError {
    StoreError::Json { table: "an export", source: Arc::new(error) }
}

/// The events after `after` up to and including `to`; the last line is `end`, or the problem that cut them short.
pub(super) fn events(
    api: Arc<Api>,
    place: OwnedSemaphorePermit,
    after: Sequence,
    to: Sequence,
) -> impl Stream<Item = Bytes> {
    let export = Export { api, after, told: after, to, begun: false, _place: place };
    stream::unfold(Some(export), async |export| {
        let mut export = export?;
        if export.api.stop.is_cancelled() {
            return None;
        }
        match export.piece().await {
            Ok(Some(piece)) => Some((piece, Some(export))),
            Ok(None) => Some((export.end().await.unwrap_or_else(|error| line_of(&problem(&error))), None)),
            Err(error) => Some((line_of(&problem(&error)), None)),
        }
    })
}

struct Export {
    api: Arc<Api>,
    /// Everything up to here was read.
    after: Sequence,
    /// The last position that the lines have come to.
    told: Sequence,
    to: Sequence,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

impl Export {
    async fn piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        if !self.begun {
            self.begun = true;
            let link = self.link(self.after).await?;
            return Line::Events { version: VERSION, after: self.after, link }.bytes().map(Some);
        }
        let mut text = BytesMut::new();
        while text.is_empty() && self.after < self.to {
            let events = self.api.deps.store.read_page(self.after, EXPORT_BATCH, MAX_STREAM_BYTES).await?;
            self.after = events.last().map_or(self.to, |event| event.head.sequence);
            for event in events.into_iter().take_while(|event| event.head.sequence <= self.to) {
                let sequence = event.head.sequence;
                if sequence != self.told.next() {
                    let at = Sequence(sequence.0 - 1);
                    // None: retention took the event while it was read, because a later one tells of its entity.
                    let Some(link) = self.link(at).await? else { continue };
                    text.put(Line::Link { at, link }.bytes()?);
                }
                text.put(event.body);
                text.put_u8(b'\n');
                self.told = sequence;
            }
        }
        Ok((!text.is_empty()).then(|| text.freeze()))
    }

    async fn end(&self) -> Result<Bytes, StoreError> {
        let link = self.link(self.to).await?;
        Line::End { last: self.to, link, horizon: self.api.deps.store.horizon() }.bytes()
    }

    /// The link at `sequence`; none where retention left none.
    async fn link(&self, sequence: Sequence) -> Result<Option<String>, StoreError> {
        let link = self.api.deps.store.link_at(sequence).await?;
        Ok(link.map(|link| link.to_string()))
    }
}

/// The rows of all tables, one table after the other. How far a subscription has come is read before what it has put off,
/// as it is written the other way round: so nothing is missing from both.
pub(super) fn tables(api: Arc<Api>, place: OwnedSemaphorePermit) -> impl Stream<Item = Bytes> {
    let dump = Dump { api, table: 0, after: None, rows: 0, _place: place };
    stream::unfold(Some(dump), async |dump| {
        let mut dump = dump?;
        if dump.api.stop.is_cancelled() {
            return None;
        }
        match dump.piece().await {
            Ok(Some(piece)) => Some((piece, Some(dump))),
            Ok(None) => {
                let end = Line::Rows { rows: dump.rows }.bytes();
                Some((end.unwrap_or_else(|error| line_of(&problem(&error))), None))
            }
            Err(error) => Some((line_of(&problem(&error)), None)),
        }
    })
}

struct Dump {
    api: Arc<Api>,
    /// Which table is read.
    table: usize,
    /// Up to which key.
    after: Option<String>,
    rows: u64,
    _place: OwnedSemaphorePermit,
}

impl Dump {
    async fn piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        while let Some(table) = TableName::ALL.get(self.table).copied() {
            let rows = self.api.deps.store.dump_table(table, self.after.as_deref(), EXPORT_BATCH).await?;
            if rows.is_empty() {
                (self.table, self.after) = (self.table + 1, None);
                continue;
            }
            let mut text = BytesMut::new();
            for (key, value) in rows {
                // The value is JSON already, and stays byte for byte.
                let raw = serde_json::from_slice::<&RawValue>(&value).map_err(no_json)?;
                text.put(Line::Row { table: table.as_str(), key: &key, value: raw }.bytes()?);
                (self.after, self.rows) = (Some(key), self.rows + 1);
            }
            return Ok(Some(text.freeze()));
        }
        Ok(None)
    }
}
