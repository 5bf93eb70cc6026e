//! Blocks: consecutive events of the log, kept together as one value.
//!
//! ```text
//! form u8 | first u64 | last u64 | commit u64 | newest i64 | count u32 | link before 32 | link after 32 | bytes of the plain u32
//! the plain, as it is or as one zstd frame (level 1):
//!     per event, as varints: sequence less the one before it | sequence less that of the entity's event before (0: none) | length
//!     of a sparse block, per event: the link before it (32 bytes)
//!     the bodies, one after the other
//! ```
//!
//! Integers are big-endian. `first` to `last` are the sequences that the block answers for; `commit` is the last sequence of
//! the commit that wrote it, so that a commit of several blocks is known to be whole; `newest` is the latest `observed_at` of
//! the log up to `last`, in nanoseconds. In a **dense** block every sequence of its range has its event. A **sparse** one is
//! what retention left of its range; each event carries the link before it, so that it can still be verified alone.
//!
//! One form serves for the tail and for what is sealed. A commit writes what it has, however little; the
//! small blocks are put together later (see [`crate::arrange`]). Reading one event costs unpacking its block. Sequences of
//! the entity's previous event make a history readable backwards without an index that every append would have to keep.

use event_model::Sequence;

use crate::{
    chain::{LINK_BYTES, Link},
    layout::MAX_RECORD_BYTES,
};

mod parts;

pub use parts::{Packer, Unpacker};
use parts::{Plain, Reader, put_varint};

/// Most events of a block. Reading one event unpacks its whole block: 40 µs at this size.
pub const BLOCK_EVENTS: usize = 128;
/// Bytes of bodies after which a block takes no further event. Larger ones gain nothing, and few blocks need several values.
pub const BLOCK_BYTES: usize = 128 << 10;
/// A smaller plain is not compressed: it is soon merged into a block that is, and zstd takes 10 µs for the least.
const MIN_PACKED_BYTES: usize = 4 << 10;
/// Largest plain: one event of the largest size beside a block that was nearly full.
const MAX_PLAIN_BYTES: usize =
    MAX_RECORD_BYTES + BLOCK_BYTES + BLOCK_EVENTS * (LINK_BYTES + 3 * parts::MAX_VARINT_BYTES);
/// Most events that a block may claim; beyond it is damage.
const MAX_EVENTS: usize = BLOCK_EVENTS;

const PACKED: u8 = 1;
const SPARSE: u8 = 2;

/// What a block says of itself without being unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Retention was here: sequences of the range may be missing.
    pub sparse: bool,
    /// The first sequence that it answers for.
    pub first: Sequence,
    /// The last one, which is its key.
    pub last: Sequence,
    /// The last sequence of the commit that it was part of.
    pub commit: Sequence,
    /// The latest `observed_at` of the log up to here, in nanoseconds.
    pub newest: i64,
    /// Its events.
    pub count: usize,
    /// The link before `first`.
    pub before: Link,
    /// The link of `last`.
    pub after: Link,
}

/// An event of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its sequence.
    pub sequence: Sequence,
    /// The sequence of the entity's event before it; [`Sequence::START`] if it is the first.
    pub previous: Sequence,
    /// Of an event in a sparse block, the link before it.
    pub before: Option<Link>,
    /// Its JSON.
    pub body: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Place {
    sequence: Sequence,
    previous: Sequence,
    before: Option<Link>,
    start: usize,
    end: usize,
}

/// A block, unpacked or being filled.
#[derive(Clone, Debug)]
pub struct Block {
    /// See [`Header`].
    pub header: Header,
    places: Vec<Place>,
    /// Where the bodies are; in an unpacked block the columns are before them.
    bodies: Plain,
    /// Whether it was packed where it was read.
    packed: bool,
}

impl Block {
    /// An empty block that begins after the event `before`, whose link is `link`; `newest` up to there.
    pub fn after(before: Sequence, link: Link, newest: i64, sparse: bool) -> Self {
        let (first, last) = (before.next(), before);
        let header = Header { sparse, first, last, commit: last, newest, count: 0, before: link, after: link };
        Self { header, places: Vec::new(), bodies: Plain::with_room(0), packed: false }
    }

    /// Adds the event that follows the last one, observed at `observed_at`.
    pub fn push(&mut self, previous: Sequence, observed_at: i64, body: &[u8]) {
        let sequence = self.header.last.next();
        self.header.after = self.header.after.next(body);
        self.header.newest = self.header.newest.max(observed_at);
        self.place(sequence, previous, None, body);
        self.header.last = sequence;
        self.header.commit = sequence;
    }

    /// Adds what `entry` is, of a range that ends at `up_to` at least. The header's links stay: they are the caller's.
    pub fn place(&mut self, sequence: Sequence, previous: Sequence, before: Option<Link>, body: &[u8]) {
        let start = self.bodies.len();
        self.bodies.extend_from_slice(body);
        self.places.push(Place { sequence, previous, before, start, end: self.bodies.len() });
        self.header.count = self.places.len();
    }

    /// Adds all events of the dense block that follows.
    pub fn join(&mut self, next: &Self) {
        for entry in next.entries() {
            self.place(entry.sequence, entry.previous, entry.before, entry.body);
        }
        self.cover(&next.header);
    }

    /// Answers for the range of `next`, too, which follows.
    pub fn cover(&mut self, next: &Header) {
        self.header.last = next.last;
        self.header.commit = next.last;
        self.header.after = next.after;
        self.header.newest = self.header.newest.max(next.newest);
    }

    /// Whether it was packed where it was read.
    pub fn was_packed(&self) -> bool {
        self.packed
    }

    /// Whether it should take no further event.
    pub fn is_full(&self) -> bool {
        self.places.len() >= BLOCK_EVENTS || self.bodies.len() >= BLOCK_BYTES
    }

    /// Whether it and `other` together are still one block.
    pub fn has_room_for(&self, other: &Self) -> bool {
        self.places.len() + other.places.len() <= BLOCK_EVENTS && self.bodies.len() + other.bodies.len() <= BLOCK_BYTES
    }

    /// Whether the dense block `next` follows and there is room for it.
    pub fn takes(&self, next: &Self) -> bool {
        !next.header.sparse && next.header.first == self.header.last.next() && self.has_room_for(next)
    }

    /// Its events, ascending.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        self.places.iter().map(|place| self.entry(place))
    }

    /// Its events after `after`, ascending.
    pub fn entries_after(&self, after: Sequence) -> impl Iterator<Item = Entry<'_>> {
        let from = self.places.partition_point(|place| place.sequence <= after);
        self.places[from..].iter().map(|place| self.entry(place))
    }

    /// The event at `sequence`, if it is there.
    pub fn find(&self, sequence: Sequence) -> Option<Entry<'_>> {
        let found = self.places.binary_search_by_key(&sequence, |place| place.sequence).ok()?;
        Some(self.entry(&self.places[found]))
    }

    fn entry(&self, place: &Place) -> Entry<'_> {
        let Place { sequence, previous, before, start, end } = *place;
        Entry { sequence, previous, before, body: &self.bodies[start..end] }
    }

    /// The link of the event at `sequence`, as far as the block tells: of a sequence that retention removed, it may not.
    pub fn link_of(&self, sequence: Sequence) -> Option<Link> {
        if sequence == self.header.last {
            return Some(self.header.after);
        }
        if self.header.sparse {
            let own = |entry: Entry<'_>| entry.before.map(|before| before.next(entry.body));
            return self.find(sequence).and_then(own).or_else(|| self.find(sequence.next())?.before);
        }
        let up_to = self.entries().take_while(|entry| entry.sequence <= sequence);
        (sequence >= self.header.first).then(|| up_to.fold(self.header.before, |link, entry| link.next(entry.body)))
    }

    /// The bytes of the block.
    pub fn seal(&self, packer: &mut Packer) -> std::io::Result<Vec<u8>> {
        let mut plain = Plain::with_room(self.bodies.len() + self.places.len() * (LINK_BYTES + 8));
        self.columns(&mut plain);
        self.entries().for_each(|entry| plain.extend_from_slice(entry.body));
        let packed = plain.len() >= MIN_PACKED_BYTES;
        let mut sealed = Vec::with_capacity(Header::BYTES + if packed { plain.len() / 3 } else { plain.len() });
        self.header.encode(packed, plain.len(), &mut sealed);
        if packed {
            packer.pack(&plain, &mut sealed)?;
        } else {
            sealed.extend_from_slice(&plain);
        }
        Ok(sealed)
    }

    /// Adds the same to `sealed` without packing it, which is done when it is [arranged](crate::arrange).
    pub fn seal_plain(&self, sealed: &mut Vec<u8>) {
        let bodies: usize = self.places.iter().map(|place| place.end - place.start).sum();
        sealed.reserve(Header::BYTES + self.places.len() * (LINK_BYTES + 8) + bodies);
        self.header.encode(false, 0, sealed);
        let start = sealed.len();
        self.columns(sealed);
        let plain_bytes = size(sealed.len() - start + bodies);
        sealed[start - plain_bytes.len()..start].copy_from_slice(&plain_bytes);
        self.entries().for_each(|entry| sealed.extend_from_slice(entry.body));
    }

    /// Adds what of the plain comes before the bodies.
    fn columns(&self, plain: &mut Vec<u8>) {
        let mut before = self.header.first.0 - 1;
        for place in &self.places {
            put_varint(plain, place.sequence.0 - before);
            let back = if place.previous == Sequence::START { 0 } else { place.sequence.0 - place.previous.0 };
            put_varint(plain, back);
            put_varint(plain, (place.end - place.start) as u64);
            before = place.sequence.0;
        }
        if self.header.sparse {
            plain.extend(self.places.iter().flat_map(|place| place.before.unwrap_or(Link::START).0));
        }
    }

    /// The block in `sealed`; none where it is none. It does not look at the links.
    pub fn open(sealed: &[u8], unpacker: &mut Unpacker) -> Option<Self> {
        let (header, packed, plain_bytes, rest) = Header::split(sealed)?;
        let plain = if packed { unpacker.unpack(rest, plain_bytes)? } else { Plain::of(rest) };
        if plain.len() != plain_bytes {
            return None;
        }
        let mut reader = Reader(&plain);
        let mut places = Vec::with_capacity(header.count);
        let (mut before, mut end) = (header.first.0 - 1, 0_usize);
        for _ in 0..header.count {
            let sequence = reader.varint().filter(|step| *step > 0).and_then(|step| before.checked_add(step))?;
            let previous = match reader.varint()? {
                0 => 0,
                back => sequence.checked_sub(back)?,
            };
            let start = end;
            end = usize::try_from(reader.varint()?).ok().and_then(|length| start.checked_add(length))?;
            places.push(Place { sequence: Sequence(sequence), previous: Sequence(previous), before: None, start, end });
            before = sequence;
        }
        if header.sparse {
            for place in &mut places {
                place.before = Some(Link(*reader.array()?));
            }
        }
        let (bodies, base) = (reader.0.len(), plain.len() - reader.0.len());
        let within = before <= header.last.0 && bodies == end;
        let dense = header.sparse || (header.count > 0 && before == header.last.0);
        let counted = header.sparse || header.count as u64 == header.last.0 - (header.first.0 - 1);
        if !(within && dense && counted) {
            return None;
        }
        for place in &mut places {
            (place.start, place.end) = (place.start + base, place.end + base);
        }
        Some(Self { header, places, bodies: plain, packed })
    }
}

impl Header {
    /// Bytes of a header.
    pub const BYTES: usize = 1 + 4 * 8 + 4 + 2 * LINK_BYTES + 4;

    fn encode(&self, packed: bool, plain_bytes: usize, out: &mut Vec<u8>) {
        out.push(if packed { PACKED } else { 0 } | if self.sparse { SPARSE } else { 0 });
        for sequence in [self.first, self.last, self.commit] {
            out.extend_from_slice(&sequence.0.to_be_bytes());
        }
        out.extend_from_slice(&self.newest.to_be_bytes());
        out.extend_from_slice(&size(self.count));
        out.extend_from_slice(&self.before.0);
        out.extend_from_slice(&self.after.0);
        out.extend_from_slice(&size(plain_bytes));
    }

    /// The header of the block in `sealed`; none where it cannot be one.
    pub fn read(sealed: &[u8]) -> Option<Self> {
        Self::split(sealed).map(|(header, ..)| header)
    }

    /// The header of the block in `sealed`, whether it is packed (or too small to be), and its bytes unpacked.
    pub fn look(sealed: &[u8]) -> Option<(Self, bool, usize)> {
        let (header, packed, plain_bytes, _) = Self::split(sealed)?;
        Some((header, packed || plain_bytes < MIN_PACKED_BYTES, plain_bytes))
    }

    /// The header, whether what follows is packed, how many bytes it unpacks to, and what follows.
    fn split(sealed: &[u8]) -> Option<(Self, bool, usize, &[u8])> {
        let mut reader = Reader(sealed);
        let [form] = *reader.array()?;
        let [first, last, commit] = [reader.u64()?, reader.u64()?, reader.u64()?].map(Sequence);
        let newest = i64::from_be_bytes(*reader.array()?);
        let count = reader.u32()? as usize;
        let (before, after) = (Link(*reader.array()?), Link(*reader.array()?));
        let plain_bytes = reader.u32()? as usize;
        let sparse = form & SPARSE != 0;
        let known = form & !(PACKED | SPARSE) == 0 && count <= MAX_EVENTS && plain_bytes <= MAX_PLAIN_BYTES;
        if !known || first == Sequence::START || last < first || commit < last || last.0 == u64::MAX {
            return None;
        }
        Some((
            Self { sparse, first, last, commit, newest, count, before, after },
            form & PACKED != 0,
            plain_bytes,
            reader.0,
        ))
    }
}

/// As a header keeps it.
fn size(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("callers refuse records above MAX_RECORD_BYTES").to_be_bytes()
}

#[cfg(test)]
mod tests;
