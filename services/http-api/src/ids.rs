//! Events found by their ids.
//!
//! An id is a hash of what the event is about: nothing leads from it to a position, and the log keeps no index of ids, which
//! would cost each append a write for what few ask. Instead the ids of the log are read once, when somebody first asks for one,
//! and from then on as far as the log has grown since. Of each id a mark of 32 bits is kept beside its position: eight bytes
//! an event. What has the mark of the id that is asked for is read from the log, so a mark that two ids share costs a read and
//! nothing else. What is kept is derived from the log alone: after a restart it is read anew, and what retention removed is not
//! found because the log does not have it any more.
//!
//! | | |
//! |---|---|
//! | the first question after a start | reads the log, within [`READ_FOR`] for one request; one that runs out of it is told to come again, and what was read stays read |
//! | a question after that | reads what was appended since, and looks through the marks |
//! | memory | at most [`MAX_MARKS`] marks; of a longer log the newest |

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use event_model::{EventId, Sequence};
use event_store::{EventStore, StoreError, StoredEvent};
use tokio::sync::Mutex;

use crate::config::{EXPORT_BATCH, MAX_PAGE_BYTES};

/// Most marks that are kept: 64 MiB of them.
const MAX_MARKS: usize = 8 * 1024 * 1024;
/// Marks that are dropped at a time when there are too many.
const CHUNK: usize = 64 * 1024;
/// How long one request may read the log: below the bound on a request, and longer than a million events take.
const READ_FOR: Duration = Duration::from_secs(20);

/// What became of looking for an id.
#[derive(Debug)]
pub(crate) enum Found {
    Event(Box<StoredEvent>),
    /// No event of the log has the id.
    Nothing,
    /// None of the newest events has it; what is older was not looked at.
    NotAmongNewest,
    /// The log was not read to its end in time. Asking again goes on from there.
    NotYet,
}

/// The marks of the ids of one log.
#[derive(Default)]
pub(crate) struct Ids(Mutex<Marks>);

impl Ids {
    /// The newest event of `store` with the id `id`.
    pub async fn find(&self, store: &EventStore, id: &EventId) -> Result<Found, StoreError> {
        let (positions, whole) = {
            let mut marks = self.0.lock().await;
            if !marks.read(store, MAX_MARKS, READ_FOR).await? {
                return Ok(Found::NotYet);
            }
            (marks.of(mark(id)), !marks.forgot)
        };
        for position in positions {
            if let Some(event) = store.event(position).await?.filter(|event| event.head.id == *id) {
                return Ok(Found::Event(Box::new(event)));
            }
        }
        Ok(if whole { Found::Nothing } else { Found::NotAmongNewest })
    }
}

/// Marks by position, the oldest first.
#[derive(Default)]
struct Marks {
    /// Each with the position that its own positions are counted from.
    chunks: VecDeque<(Sequence, Vec<(u32, u32)>)>,
    /// Everything up to here was read.
    up_to: Sequence,
    /// The horizon when reading began: what lay above it and is removed later stays marked.
    horizon: Sequence,
    /// Whether there were too many.
    forgot: bool,
}

impl Marks {
    /// Reads what is not read yet; gives whether that was all, or `time` ran out.
    async fn read(&mut self, store: &EventStore, most: usize, time: Duration) -> Result<bool, StoreError> {
        let begun = Instant::now();
        let last = store.last_sequence();
        while self.up_to < last {
            if begun.elapsed() >= time {
                return Ok(false);
            }
            let events = store.read_page(self.up_to, EXPORT_BATCH, MAX_PAGE_BYTES).await?;
            let Some(end) = events.last().map(|event| event.head.sequence) else { break };
            for event in &events {
                self.add(event.head.sequence, mark(&event.head.id));
            }
            self.up_to = end;
            if self.len() > most {
                self.shrink(store.horizon());
            }
        }
        Ok(true)
    }

    fn add(&mut self, position: Sequence, mark: u32) {
        let offset = |from: Sequence| u32::try_from(position.0 - from.0).ok();
        match self.chunks.back_mut().and_then(|(from, marks)| Some((offset(*from)?, marks))) {
            Some((offset, marks)) if marks.len() < CHUNK => marks.push((offset, mark)),
            Some(_) | None => self.chunks.push_back((position, vec![(0, mark)])),
        }
    }

    fn len(&self) -> usize {
        self.chunks.iter().map(|(_, marks)| marks.len()).sum()
    }

    /// Makes place: by reading anew, where retention has removed events since, else by forgetting the oldest.
    fn shrink(&mut self, horizon: Sequence) {
        if self.horizon < horizon {
            *self = Self { horizon, ..Self::default() };
        } else {
            self.forgot = true;
            self.chunks.pop_front();
        }
    }

    /// The positions of `mark`, newest first.
    fn of(&self, mark: u32) -> Vec<Sequence> {
        let in_chunk = |(from, marks): &(Sequence, Vec<(u32, u32)>)| {
            let of_mark = marks.iter().rev().filter(|(_, known)| *known == mark);
            of_mark.map(|(offset, _)| Sequence(from.0 + u64::from(*offset))).collect::<Vec<_>>()
        };
        self.chunks.iter().rev().flat_map(in_chunk).collect()
    }
}

fn mark(id: &EventId) -> u32 {
    let hash = blake3::hash(id.as_str().as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing;

    async fn filled(count: usize) -> (std::sync::Arc<crate::state::Api>, tempfile::TempDir, Vec<EventId>) {
        let (api, directory) = testing::api();
        let drafts = (0..count).map(|n| testing::draft(&format!("R{n}"))).collect();
        let stored = api.deps.store.append(drafts).await.expect("appended");
        let ids = stored.iter().map(|event| event.head.id.clone()).collect();
        (api, directory, ids)
    }

    #[tokio::test]
    async fn every_event_is_found_by_its_id_and_what_is_appended_later_too() {
        let (api, _directory, ids) = filled(300).await;
        let (store, known) = (&api.deps.store, Ids::default());
        for (at, id) in (1..).zip(&ids) {
            let Found::Event(event) = known.find(store, id).await.expect("read") else { panic!("{id} is not found") };
            assert_eq!(event.head.sequence, Sequence(at));
        }
        let unknown = "evt_unknown".parse().expect("an id");
        assert!(matches!(known.find(store, &unknown).await.expect("read"), Found::Nothing));
        let later = store.append(vec![testing::draft("later")]).await.expect("appended");
        let found = known.find(store, &later[0].head.id).await.expect("read");
        assert!(matches!(found, Found::Event(event) if event.body == later[0].body));
    }

    #[tokio::test]
    async fn of_too_long_a_log_the_newest_are_known_and_nothing_is_said_of_the_rest() {
        let (api, _directory, ids) = filled(2 * EXPORT_BATCH).await;
        let store = &api.deps.store;
        let mut marks = Marks::default();
        // As small as a chunk is in this test: one for each batch that is read.
        for (at, id) in (1..).zip(&ids) {
            marks.add(Sequence(at), mark(id));
            if at % 1024 == 0 {
                marks.chunks.push_back((Sequence(at + 1), Vec::new()));
            }
        }
        marks.up_to = store.last_sequence();
        marks.shrink(store.horizon());
        assert!(marks.forgot && marks.of(mark(&ids[0])).is_empty());
        assert_eq!(marks.of(mark(&ids[2000])), [Sequence(2001)]);
        let known = Ids(Mutex::new(marks));
        assert!(matches!(known.find(store, &ids[0]).await.expect("read"), Found::NotAmongNewest));
        assert!(matches!(known.find(store, &ids[2000]).await.expect("read"), Found::Event(_)));
    }

    #[tokio::test]
    async fn a_reading_that_runs_out_of_time_goes_on_where_it_stopped() {
        let (api, _directory, ids) = filled(EXPORT_BATCH + 1).await;
        let mut marks = Marks::default();
        assert!(!marks.read(&api.deps.store, MAX_MARKS, Duration::ZERO).await.expect("read"));
        assert!(marks.read(&api.deps.store, MAX_MARKS, READ_FOR).await.expect("read"));
        assert_eq!(marks.len(), ids.len());
        assert!(marks.read(&api.deps.store, MAX_MARKS, Duration::ZERO).await.expect("nothing is left to read"));
    }

    #[test]
    fn when_there_are_too_many_and_retention_removed_some_all_are_read_anew() {
        let mut marks = Marks::default();
        marks.add(Sequence(1), 7);
        marks.up_to = Sequence(1);
        marks.shrink(Sequence(5));
        assert_eq!((marks.len(), marks.up_to, marks.horizon, marks.forgot), (0, Sequence::START, Sequence(5), false));
        marks.add(Sequence(u64::from(u32::MAX) + 9), 7);
        marks.add(Sequence(3 + 2 * u64::from(u32::MAX)), 8);
        assert_eq!(marks.chunks.len(), 1);
        marks.add(Sequence(4 * u64::from(u32::MAX)), 7);
        assert_eq!(marks.of(7), [Sequence(4 * u64::from(u32::MAX)), Sequence(u64::from(u32::MAX) + 9)]);
        assert_eq!(marks.chunks.len(), 2);
    }
}
