//! What was last judged of each report: an index small enough for millions, exact enough to skip the parse.
//!
//! An export says nearly always what the export before said. So each row is hashed before it is parsed, and a row whose digest
//! is the one last judged costs no parse and no look into the store: only a place in this index.
//!
//! # Layout
//!
//! One entry of 52 bytes a report in a vector, and a table of `u32` places by the hash of the id (5 bytes a bucket): 58 to 64
//! bytes a report, whatever the store holds of it. An id of up to 15 bytes stands in the entry itself, so it is exact
//! and can be had back; longer ones and the policies' ids are interned. Ids are compared byte by byte: two that differ only in
//! case are two reports.
//!
//! A [`Walk`] is the way of one read through the index. It expects that the row after the one at place *n* is at *n + 1*; if so,
//! a row costs one comparison in memory that is already at hand, if not, a lookup by hash. When a read of most of the index
//! found few rows where it expected them, [`Fingerprints::finish`] puts the entries into the order of that read. An export
//! in stable order is a sequential walk from the second time on; one without any order costs a lookup a row.
//!
//! # Guarantees
//!
//! - **A digest is stored only by [`Fingerprints::settle`], when the events that its row caused are durable.** Were it stored
//!   when the row is judged, a crash of the append (or a task that is dropped) would leave a digest whose change was never told,
//!   and every later read would skip it: a lost event. The other way round the row is judged once more, and the comparison with
//!   the log finds nothing to say.
//! - **Older never overwrites newer.** `as_of` is the start of the read that last judged the report. A row of a read that
//!   began before is [`Verdict::Stale`], whatever it shows. A different row of a read that began before that one was rendered
//!   is no better ([`Verdict::Overlaps`]): somewhere between its start and its answer the upstream looked at the report, so of
//!   two reads that overlap nobody knows which looked later. What is gone keeps its entry: a slow old read must not
//!   bring it back.
//! - **Being seen is noted at once**, per read, whatever becomes of the row: what a read showed is not absent from it.
//! - At a start the index is loaded from the log, whose states know the fingerprint of the object, not of the row. Such an
//!   entry is [`Verdict::Unread`] until its first row: it is parsed once and compared with [`Fingerprints::has_object`].
//!
//! 96 bits of the digest are kept: a change is missed when two rows of one report collide, at a chance of 2^-96 each.
//!
//! Rejected: a map from id to digest (two cache misses a row, 120 bytes a report); sorted exports (the upstream promises no
//! order); entries moved to where they were seen as they are seen (one new report at the front shifts all of them).

mod entry;
mod names;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use event_model::Whereabouts;
use hashbrown::HashTable;
use jiff::Timestamp;

pub use entry::View;
use entry::{Entry, Id};
use names::Names;

/// Bytes of a digest that are kept.
pub const DIGEST_BYTES: usize = 12;

/// A read puts the entries into its own order when at least one in so many of its rows stood elsewhere ...
const MISSES_SHARE: usize = 4;
/// ... and it showed at least one in so many of all entries: the order of a month must not undo that of the whole.
const ROWS_SHARE: usize = 2;

/// What a row of a read is, beside what is known of its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// As it was last judged: nothing to do.
    Same,
    /// A newer read has judged the report: the row says nothing any more.
    Stale,
    /// Not as it was last judged, by a read that overlaps this one: nobody knows which looked later. The next one tells.
    Overlaps,
    /// Not as it was last judged: parse and compare.
    Changed,
    /// Known from the log, and no row of it was judged since the start: parse, and compare the object first.
    Unread,
    /// Not known, or known to be gone: parse, and look into the store.
    New,
    /// This read has shown the report before, and otherwise.
    Twice,
}

/// One read, as entries remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    number: u32,
    started_us: i64,
    rendered_us: i64,
}

impl From<&Walk> for Mark {
    fn from(walk: &Walk) -> Self {
        walk.mark
    }
}

/// The way of one read through the index.
#[derive(Debug)]
pub struct Walk {
    mark: Mark,
    /// Where the next row is expected.
    cursor: usize,
    rows: usize,
    misses: usize,
    /// The download began anew: what was shown and not settled was perhaps a row that was cut off.
    restarted: bool,
    /// Places in the order of the rows, as of `layout`.
    order: Vec<u32>,
    layout: u32,
}

impl Walk {
    /// The read.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// The file begins anew: rows come again.
    pub fn restart(&mut self) {
        (self.cursor, self.rows, self.misses) = (0, 0, 0);
        self.restarted = true;
        self.order.clear();
    }
}

/// The index of one account's reports.
#[derive(Debug, Default)]
pub struct Fingerprints {
    entries: Vec<Entry>,
    places: HashTable<u32>,
    names: Names,
    reads: u32,
    /// Grows when entries move.
    layout: u32,
    /// Fixed keys: the upstream chooses the ids, and nobody attacks the table with them.
    hasher: BuildHasherDefault<DefaultHasher>,
}

impl Fingerprints {
    /// An empty index with room for `reports`.
    pub fn with_capacity(reports: usize) -> Self {
        let (entries, places) = (Vec::with_capacity(reports), HashTable::with_capacity(reports));
        Self { entries, places, ..Self::default() }
    }

    /// Takes in a report as the log has it, with the fingerprint of its object. Entries lie in the order of these calls.
    pub fn load(&mut self, id: &str, object: &[u8; DIGEST_BYTES], whereabouts: &Whereabouts) {
        let (place, mut entry) = self.entry(id, whereabouts);
        entry.digest = *object;
        entry.set_unread(true);
        self.put(place, entry);
    }

    /// Begins to take in a read that was sent at `started_at`, and whose answer was there at `rendered_by`.
    pub fn read(&mut self, started_at: Timestamp, rendered_by: Timestamp) -> Walk {
        // Numbers begin at 1: no entry was seen by read 0.
        self.reads = self.reads.checked_add(1).unwrap_or(1);
        let (number, layout) = (self.reads, self.layout);
        let (started_us, rendered_us) = (started_at.as_microsecond(), rendered_by.as_microsecond());
        let mark = Mark { number, started_us, rendered_us };
        Walk { mark, cursor: 0, rows: 0, misses: 0, restarted: false, order: Vec::new(), layout }
    }

    /// What a row of `walk`'s read with this digest is. Notes that the read has seen the report.
    pub fn judge(&mut self, walk: &mut Walk, id: &str, digest: &[u8; 16]) -> Verdict {
        walk.rows += 1;
        let Some(place) = self.next(walk, id) else { return Verdict::New };
        let (mark, entry) = (walk.mark, &mut self.entries[place]);
        if mark.started_us < entry.as_of_us() {
            return Verdict::Stale;
        }
        let seen_before = std::mem::replace(&mut entry.seen_by, mark.number) == mark.number;
        let same = entry.digest[..] == digest[..DIGEST_BYTES] && !entry.is_unread() && !entry.is_gone();
        if same {
            entry.set_times(mark.started_us, mark.rendered_us);
            return Verdict::Same;
        }
        let judged_by_this = seen_before && entry.as_of_us() == mark.started_us;
        match (entry.is_gone(), entry.is_unread()) {
            (false, _) if judged_by_this => Verdict::Twice,
            _ if mark.started_us < entry.rendered_us() => Verdict::Overlaps,
            (true, _) => Verdict::New,
            _ if seen_before && !walk.restarted => Verdict::Twice,
            (_, true) => Verdict::Unread,
            _ => Verdict::Changed,
        }
    }

    /// Notes that `walk`'s read has seen the report, although no row of it says more.
    pub fn note_seen(&mut self, walk: &Walk, id: &str) {
        if let Some(place) = self.place(id) {
            self.entries[place].seen_by = walk.mark.number;
        }
    }

    /// Whether the log has the report with an object of this fingerprint, and no row of it was judged since.
    pub fn has_object(&self, id: &str, object: &[u8; DIGEST_BYTES]) -> bool {
        let entry = self.place(id).map(|place| &self.entries[place]);
        entry.is_some_and(|entry| entry.is_unread() && !entry.is_gone() && entry.digest == *object)
    }

    /// The row of `read` with this digest is judged, and what it caused is **durable** (see the head). Nothing, when a
    /// newer read has judged the report meanwhile.
    pub fn settle(&mut self, read: impl Into<Mark>, id: &str, digest: &[u8; 16], whereabouts: &Whereabouts) {
        let mark = read.into();
        let (place, mut entry) = self.entry(id, whereabouts);
        if mark.started_us < entry.rendered_us() {
            return;
        }
        entry.digest.copy_from_slice(&digest[..DIGEST_BYTES]);
        entry.set_unread(false);
        entry.set_gone(false);
        entry.seen_by = mark.number;
        entry.set_times(mark.started_us, mark.rendered_us);
        self.put(place, entry);
    }

    /// The removal of the report, which `read` has confirmed, is durable.
    pub fn gone(&mut self, read: impl Into<Mark>, id: &str) {
        let mark = read.into();
        let Some(place) = self.place(id) else { return };
        let entry = &mut self.entries[place];
        entry.set_gone(true);
        entry.set_times(mark.started_us.max(entry.as_of_us()), mark.rendered_us.max(entry.rendered_us()));
    }

    /// The reports that `walk`'s read has not shown although they `must_show` in it, in the order of the index. What a read
    /// that began no earlier has shown is not among them.
    pub fn unseen(&self, walk: &Walk, mut must_show: impl FnMut(&View<'_>) -> bool) -> Vec<String> {
        let mark = walk.mark;
        let missed =
            |entry: &&Entry| entry.seen_by != mark.number && entry.as_of_us() < mark.started_us && !entry.is_gone();
        let views = self.entries.iter().filter(missed).map(|entry| View { entry, names: &self.names });
        views.filter(|view| must_show(view)).map(|view| view.id().to_owned()).collect()
    }

    /// The read has ended: puts the entries into its order if that is better (see the head).
    pub fn finish(&mut self, walk: Walk) {
        let astray = walk.misses * MISSES_SHARE > walk.rows && walk.rows * ROWS_SHARE > self.entries.len();
        if astray && walk.layout == self.layout {
            self.reorder(&walk.order);
        }
    }

    /// The clock has stepped back: the starts of reads so far say nothing beside those to come.
    pub fn forget_times(&mut self) {
        self.entries.iter_mut().for_each(Entry::forget_times);
    }

    /// The report, if it is known and not gone.
    pub fn get(&self, id: &str) -> Option<View<'_>> {
        let entry = &self.entries[self.place(id)?];
        (!entry.is_gone()).then_some(View { entry, names: &self.names })
    }

    /// Start of the read that last judged the report, or said that it is gone.
    pub fn as_of(&self, id: &str) -> Option<Timestamp> {
        let entry = &self.entries[self.place(id)?];
        View { entry, names: &self.names }.as_of()
    }

    /// All reports that are not gone, in the order of the index.
    pub fn iter(&self) -> impl Iterator<Item = View<'_>> {
        let live = self.entries.iter().filter(|entry| !entry.is_gone());
        live.map(|entry| View { entry, names: &self.names })
    }

    /// Entries, those of gone reports included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.places.allocation_size() + self.names.bytes()
    }

    /// The place of the next row: where it is expected, or where it is.
    fn next(&self, walk: &mut Walk, id: &str) -> Option<usize> {
        let packed = self.names.packed(id)?;
        let expected = self.entries.get(walk.cursor).is_some_and(|entry| entry.id == packed);
        let place = if expected { walk.cursor } else { self.find(&packed).inspect(|_| walk.misses += 1)? };
        walk.cursor = place + 1;
        // Places fit: `put` refuses more entries than that.
        walk.order.push(place as u32);
        Some(place)
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.find(&self.names.packed(id)?)
    }

    fn find(&self, id: &Id) -> Option<usize> {
        let found = self.places.find(self.hasher.hash_one(id), |place| self.entries[*place as usize].id == *id);
        found.map(|place| *place as usize)
    }

    /// The entry of `id` as it is, or a new one, with `whereabouts` put in.
    fn entry(&mut self, id: &str, whereabouts: &Whereabouts) -> (Option<usize>, Entry) {
        let packed = self.names.pack(id);
        let place = self.find(&packed);
        let new = Entry::new(packed);
        let mut entry = place.map_or(new, |place| self.entries[place]);
        let policy = whereabouts.policy.as_deref().map(|policy| self.names.intern(policy));
        entry.set_whereabouts(policy, whereabouts);
        (place, entry)
    }

    fn put(&mut self, place: Option<usize>, entry: Entry) {
        if let Some(place) = place {
            self.entries[place] = entry;
            return;
        }
        let place = u32::try_from(self.entries.len()).expect("four billion entries do not fit the memory");
        self.entries.push(entry);
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |place: &u32| hasher.hash_one(entries[*place as usize].id);
        self.places.insert_unique(hash(&place), place, hash);
    }

    /// Entries at the places of `order` first, the rest behind them as they lay.
    fn reorder(&mut self, order: &[u32]) {
        let mut taken = vec![false; self.entries.len()];
        let mut from: Vec<u32> = Vec::with_capacity(self.entries.len());
        // Places fit u32: `put` refuses more.
        for place in order.iter().copied().chain(0..self.entries.len() as u32) {
            if !std::mem::replace(&mut taken[place as usize], true) {
                from.push(place);
            }
        }
        permute(&mut self.entries, from);
        self.places.clear();
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |place: &u32| hasher.hash_one(entries[*place as usize].id);
        for place in 0..entries.len() as u32 {
            self.places.insert_unique(hash(&place), place, hash);
        }
        self.layout = self.layout.wrapping_add(1);
    }
}

/// Moves the entry at `from[n]` to `n`, for every `n`, in place: along each cycle of the permutation.
fn permute(entries: &mut [Entry], mut from: Vec<u32>) {
    for start in 0..entries.len() {
        let mut at = start;
        while from[at] as usize != start {
            let next = from[at] as usize;
            entries.swap(at, next);
            from[at] = at as u32;
            at = next;
        }
        from[at] = at as u32;
    }
}

/// The first bytes of a fingerprint in hexadecimal, as the states of the log hold it; `None` when it is none.
pub fn from_hex(fingerprint: &str) -> Option<[u8; DIGEST_BYTES]> {
    let digits = fingerprint.as_bytes().get(..2 * DIGEST_BYTES)?;
    let mut digest = [0; DIGEST_BYTES];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(digest)
}
