//! One row of an export: a report that is looked at, not read.

use std::{fmt, ops::Range};

use bytes::Bytes;

use crate::canonical::ids;

/// Bytes of a digest.
const DIGEST_BYTES: usize = 16;

/// What digests are keyed with: 32 secret bytes, the same for all reads whose digests are compared.
///
/// Reports hold what strangers write. Whoever knew how a digest is made could search for two reports with an equal one, at the
/// cost of a collision of as many bits as somebody keeps of it, and change the one into the other unseen. With a key that nobody
/// knows there is nothing to search with. A digest under another key is another digest: then a row is read once more.
#[derive(Clone, Copy)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// The key of these bytes, which are to be random.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn digest(&self, content: &[u8]) -> [u8; DIGEST_BYTES] {
        let mut kept = [0; DIGEST_BYTES];
        kept.copy_from_slice(&blake3::keyed_hash(&self.0, content).as_bytes()[..DIGEST_BYTES]);
        kept
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestKey").finish_non_exhaustive()
    }
}

/// A row of an export, its content unread.
#[derive(Clone)]
pub struct Row {
    /// The line, as JSON.
    pub(crate) line: Bytes,
    /// Its number in the file, from 1.
    pub(crate) number: u64,
    id: Id,
    digest: [u8; DIGEST_BYTES],
}

/// The canonical id.
#[derive(Clone)]
enum Id {
    /// It stands in the line as it is.
    InLine(Range<usize>),
    Made(String),
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("id", &self.report_id()).field("line", &self.number).finish_non_exhaustive()
    }
}

impl Row {
    /// A row whose id stands plainly at `id`, with the digest of its content.
    pub(crate) fn plain(line: Bytes, number: u64, id: Range<usize>, digest: [u8; DIGEST_BYTES]) -> Self {
        let id = match ids::decimal(text(&line[id.clone()])) {
            Some(_) => Id::Made(ids::report_id(text(&line[id]))),
            None => Id::InLine(id),
        };
        Self { line, number, id, digest }
    }

    /// A row whose canonical id had to be read.
    pub(crate) fn odd(line: Bytes, number: u64, id: String, digest: [u8; DIGEST_BYTES]) -> Self {
        Self { line, number, id: Id::Made(id), digest }
    }

    /// Canonical id of the report: the same for both spellings.
    pub fn report_id(&self) -> &str {
        match &self.id {
            Id::InLine(at) => text(&self.line[at.clone()]),
            Id::Made(id) => id,
        }
    }

    /// BLAKE3 of the row's content under the key of the reader, truncated: all that the upstream tells of the report, and not its number in the file,
    /// which moves as other reports come and go.
    pub fn digest(&self) -> [u8; DIGEST_BYTES] {
        self.digest
    }
}

/// An id found by the cheap look: letters and digits.
fn text(id: &[u8]) -> &str {
    std::str::from_utf8(id).unwrap_or_default()
}
