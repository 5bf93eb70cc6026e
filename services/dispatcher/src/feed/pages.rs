//! Older pieces of the log, for those who lag behind the ring: read once, kept while they are in use and fit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event_model::Sequence;
use event_store::{EventStore, StoreError};
use tokio::sync::{Notify, OnceCell, Semaphore};

use super::{Item, Maker};

/// Events of a page: half a block of the log.
const PAGE_EVENTS: u64 = 64;
/// Memory of all pages that are kept.
const MAX_BYTES: usize = 24 << 20;
/// Pages read at a time: laggards share the disk, and leave most of it to everybody else.
const MAX_READERS: usize = 2;

/// The events of the log after `begin`, up to and including `end`.
pub(super) struct Page {
    items: Vec<Arc<Item>>,
    end: Sequence,
    bytes: usize,
}

impl Page {
    pub(super) const fn end(&self) -> Sequence {
        self.end
    }

    /// At most `room` of its events after `after`, up to `end`, that `wants` wants; and up to where it was looked for them.
    pub(super) fn wanted(
        &self,
        after: Sequence,
        end: Sequence,
        room: usize,
        wants: impl Fn(&Item) -> bool,
    ) -> (Vec<Arc<Item>>, Sequence) {
        let end = end.min(self.end);
        let begin = self.items.partition_point(|item| item.sequence() <= after);
        let mut items = Vec::new();
        for item in self.items[begin..].iter().take_while(|item| item.sequence() <= end).filter(|item| wants(item)) {
            items.push(Arc::clone(item));
            if items.len() == room {
                return (items, item.sequence());
            }
        }
        (items, end)
    }
}

pub(super) struct Pages {
    store: EventStore,
    maker: Maker,
    readers: Semaphore,
    kept: Mutex<Kept>,
    asked: Notify,
}

#[derive(Default)]
struct Kept {
    pages: HashMap<u64, Place>,
    /// Somebody will want this page soon. The last who asks is heard: reading ahead is a help, and no claim.
    ahead: Option<u64>,
    bytes: usize,
    clock: u64,
}

struct Place {
    cell: Arc<OnceCell<Arc<Page>>>,
    used: u64,
    bytes: usize,
}

impl Pages {
    pub(super) fn new(store: EventStore, maker: Maker) -> Self {
        Self { store, maker, readers: Semaphore::new(MAX_READERS), kept: Mutex::default(), asked: Notify::new() }
    }

    /// The page that holds what follows `after`, which is not the end of the log.
    pub(super) async fn page_after(&self, after: Sequence) -> Result<Arc<Page>, StoreError> {
        self.page(after.0 / PAGE_EVENTS).await
    }

    async fn page(&self, number: u64) -> Result<Arc<Page>, StoreError> {
        let cell = self.kept().place(number);
        let page = Arc::clone(cell.get_or_try_init(|| self.read(number)).await?);
        self.kept().weigh(number, &page);
        Ok(page)
    }

    /// The page that follows `page` will be wanted soon.
    pub(super) fn ask_for_next(&self, page: &Page) {
        let number = page.end.0 / PAGE_EVENTS;
        let mut kept = self.kept();
        if !kept.pages.contains_key(&number) {
            kept.ahead = Some(number);
            self.asked.notify_one();
        }
    }

    /// Reads what is asked for, for ever.
    pub(super) async fn read_ahead(&self) {
        loop {
            let ahead = self.kept().ahead.take();
            match ahead {
                // Who wants it meets the error too, and tells of it.
                Some(number) => drop(self.page(number).await),
                None => self.asked.notified().await,
            }
        }
    }

    /// The event at `sequence`, if its page is kept.
    pub(super) fn at_hand(&self, sequence: Sequence) -> Option<Arc<Item>> {
        let number = sequence.0.checked_sub(1)? / PAGE_EVENTS;
        let page = self.kept().pages.get(&number).and_then(|place| place.cell.get().cloned())?;
        let at = page.items.binary_search_by_key(&sequence, |item| item.sequence()).ok()?;
        page.items.get(at).cloned()
    }

    async fn read(&self, number: u64) -> Result<Arc<Page>, StoreError> {
        // Never closed; if it were, reading unbounded would still be better than not reading.
        let _turn = self.readers.acquire().await.ok();
        let (begin, full) = (number * PAGE_EVENTS, Sequence((number + 1) * PAGE_EVENTS));
        // Retention leaves holes: the page ends where it would without them, or before what was the end of the log when the
        // reading began. An end looked up afterwards would pass over what was appended meanwhile.
        let end = full.min(self.store.last_sequence());
        let mut events = Vec::new();
        let mut after = Sequence(begin);
        while after < full {
            let found = self.store.read_after(after, (full.0 - after.0) as usize).await?;
            let Some(last) = found.last() else { break };
            after = last.head.sequence;
            events.extend(found);
        }
        events.retain(|event| event.head.sequence <= end);
        let items = self.maker.items(events).await?;
        let bytes = items.iter().map(|item| item.bytes).sum();
        Ok(Arc::new(Page { items, end, bytes }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn place(&mut self, number: u64) -> Arc<OnceCell<Arc<Page>>> {
        self.clock += 1;
        let (used, fresh) = (self.clock, || Place { cell: Arc::default(), used: 0, bytes: 0 });
        let place = self.pages.entry(number).or_insert_with(fresh);
        place.used = used;
        Arc::clone(&place.cell)
    }

    /// Counts what was read, and lets go of what was not used for longest; and of a page that ends early, because the log
    /// goes on there by now.
    fn weigh(&mut self, number: u64, page: &Page) {
        if page.end.0 < (number + 1) * PAGE_EVENTS {
            self.forget(number);
            return;
        }
        if let Some(place) = self.pages.get_mut(&number).filter(|place| place.bytes == 0) {
            place.bytes = page.bytes.max(1);
            self.bytes += place.bytes;
        }
        while self.bytes > MAX_BYTES {
            let read = self.pages.iter().filter(|(_, place)| place.bytes > 0);
            let Some(oldest) = read.min_by_key(|(_, place)| place.used).map(|(number, _)| *number) else { return };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(place) = self.pages.remove(&number) {
            self.bytes -= place.bytes;
        }
    }
}
