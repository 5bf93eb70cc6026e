//! The log, read once for all couriers.
//!
//! **Theory.** What is appended is read, parsed and made ready to send one time, by one task ([`Feed::follow`]), and put
//! into the *ring*: a part of the log, in memory, bounded by bytes. A courier has a [`Ticket`]. It takes what its
//! subscription wants from the ring until it has seen all of it; from then on its ticket is *armed* and the courier sleeps.
//! For each new event the ring looks through the armed tickets, rings the bells of those that want it, and notes for them
//! that nothing before it concerns them. So an idle subscription has no timer and no turn of its own: an event that it does
//! not want costs it one comparison of bits.
//!
//! The ring goes on while a ticket is armed, and else stands: it ends where the quickest courier is, which is the end of the log
//! unless all of them are behind. Were it always there, a burst that is appended faster than anybody delivers would run out of
//! the ring unused, and be read a second time.
//!
//! A courier that stands before the ring reads [`pages`]: fixed pieces of the log that are kept for a while too, so that many
//! who come along together read and parse each once. Few pages are read at a time; a laggard waits for its page, never the
//! ring. While one that goes through a page as fast as it can does so, the next is read ([`Feed::read_ahead`]).
//!
//! **Guarantees.** A ticket is armed only while all that its subscription wants up to the ring's end has been given out;
//! arming and adding exclude each other (one lock), so that no event falls between. Memory is bounded by the ring and the
//! pages whatever the number of couriers: they hold no bodies but those in flight.
//!
//! Rejected: a reader per courier (as many reads of each event as subscriptions), and a broadcast channel (it wakes everybody
//! for everything, and a slow receiver misses what it was slow for).

mod interest;
mod pages;
mod ring;
mod stretch;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_model::{KeyId, Reach, Replay, Sequence, Subscription, delivery::Payload};
use event_store::{EventStore, StoreError, StoredEvent, StoredHead, Table, TableName};
use tokio::{sync::Notify, time::sleep};
use tracing::error;

pub(crate) use self::stretch::Stretch;
use self::{pages::Pages, ring::Ring};
use crate::format::Content;

/// Events that the ring takes in at once: no more than who waits for them has sent soon.
const FOLLOW_BATCH: usize = 256;
/// Pause after a failure to read what was appended; the store is as good as lost then.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Who has room for so many takes them faster than a page is read.
const HURRY_ROOM: usize = 64;

/// An event as all couriers share it.
pub(crate) struct Item {
    pub(crate) head: StoredHead,
    pub(crate) payload: Arc<Payload>,
    pub(crate) content: Content,
    /// Of an event about a subscription: whose that is.
    about: Option<KeyId>,
    kind_bit: u64,
    bytes: usize,
}

impl Item {
    fn of(stored: StoredEvent, about: Option<KeyId>) -> Arc<Self> {
        let payload = Arc::new(Payload::of(&stored.head));
        let (kind_bit, bytes) = (interest::bit(stored.head.event_type), stored.body.len() + ITEM_OVERHEAD_BYTES);
        Arc::new(Self { payload, content: Content::from(stored.body), head: stored.head, about, kind_bit, bytes })
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.head.sequence
    }

    fn is_wanted(&self, interest: u64, subscription: &Subscription) -> bool {
        interest & self.kind_bit != 0
            && (interest::is_all_of_its_types(subscription) || subscription.wants(&self.head, self.about.as_ref()))
    }
}

/// Makes items of what is read: once for all couriers.
#[derive(Clone)]
struct Maker {
    subscriptions: Table<Subscription>,
}

impl Maker {
    async fn item(&self, stored: StoredEvent) -> Result<Arc<Item>, StoreError> {
        if !Reach::turns_on_owner(stored.head.event_type) {
            return Ok(Item::of(stored, None));
        }
        let about = self.subscriptions.get(&stored.head.subject.id).await?;
        let owner = about.and_then(|subscription| subscription.owner).map(|owner| owner.key);
        Ok(Item::of(stored, owner))
    }

    async fn items(&self, events: Vec<StoredEvent>) -> Result<Vec<Arc<Item>>, StoreError> {
        let mut items = Vec::with_capacity(events.len());
        for event in events {
            items.push(self.item(event).await?);
        }
        Ok(items)
    }
}

/// Memory of an item beside its body: head, payload and what allocations cost.
const ITEM_OVERHEAD_BYTES: usize = 900;

/// What a courier finds.
pub(crate) enum Found {
    /// These are wanted; everything else up to `up_to` is not. `old`: the ring begins later.
    Items { items: Vec<Arc<Item>>, up_to: Sequence, old: bool },
    /// Nothing that is wanted follows up to here, the end of the ring; the bell rings when something does.
    CaughtUp(Sequence),
}

/// What wakes a courier.
#[derive(Default)]
pub(crate) struct Bell {
    notify: Notify,
    errand: AtomicBool,
}

impl Bell {
    /// Wakes the courier.
    pub(crate) fn ring(&self) {
        self.notify.notify_one();
    }

    /// Wakes the courier, which is to look for what people asked for.
    pub(crate) fn ring_for_errand(&self) {
        self.errand.store(true, Ordering::Release);
        self.ring();
    }

    /// Waits for a ring; one that came while nobody waited counts.
    pub(crate) async fn rung(&self) {
        self.notify.notified().await;
    }

    /// Whether there is an errand; asked once.
    pub(crate) fn take_errand(&self) -> bool {
        self.errand.swap(false, Ordering::AcqRel)
    }
}

/// The shared log. See the module's head.
pub(crate) struct Feed {
    store: EventStore,
    maker: Maker,
    ring: Mutex<Ring>,
    /// Somebody has seen all of the ring.
    awaited: Notify,
    pages: Pages,
}

/// A courier's place at the feed; given back when dropped.
pub(crate) struct Ticket {
    feed: Arc<Feed>,
    number: u64,
    pub(crate) bell: Arc<Bell>,
    subscription: Arc<Subscription>,
    interest: u64,
}

impl Feed {
    /// A feed whose ring begins at the end of the log.
    pub(crate) fn new(store: &EventStore) -> Self {
        let ring = Mutex::new(Ring::after(store.last_sequence()));
        let maker = Maker { subscriptions: store.table(TableName::Subscriptions) };
        let pages = Pages::new(store.clone(), maker.clone());
        Self { store: store.clone(), maker, ring, awaited: Notify::new(), pages }
    }

    /// Takes in what is appended, while somebody waits for it; ends with the store.
    pub(crate) async fn follow(&self) {
        let mut tail = self.store.tail();
        loop {
            tail.borrow_and_update();
            if let Err(failed) = self.take_in_awaited().await {
                error!(error = &failed as &dyn std::error::Error, "could not read what was appended to the log");
                sleep(RETRY_PAUSE).await;
                continue;
            }
            tokio::select! {
                changed = tail.changed() => if changed.is_err() { return },
                () = self.awaited.notified() => {}
            }
        }
    }

    /// Reads older parts of the log before they are waited for, for ever.
    pub(crate) async fn read_ahead(&self) {
        self.pages.read_ahead().await;
    }

    async fn take_in_awaited(&self) -> Result<(), StoreError> {
        loop {
            let is_awaited = self.ring().is_awaited();
            if !is_awaited || !self.take_in_some().await? {
                return Ok(());
            }
        }
    }

    /// Takes in what follows the ring, if not all of it; whether there was anything.
    async fn take_in_some(&self) -> Result<bool, StoreError> {
        let after = self.ring().last();
        let events = self.store.read_after(after, FOLLOW_BATCH).await?;
        if events.is_empty() {
            return Ok(false);
        }
        let items = self.maker.items(events).await?;
        self.ring().add(after, items);
        Ok(true)
    }

    /// A place for the courier of `subscription`.
    pub(crate) fn ticket(self: &Arc<Self>, subscription: &Arc<Subscription>) -> Ticket {
        let (bell, interest) = (Arc::new(Bell::default()), interest::of(&subscription.filter));
        let number = self.ring().enter(Arc::clone(subscription), interest, Arc::clone(&bell));
        Ticket { feed: Arc::clone(self), number, bell, subscription: Arc::clone(subscription), interest }
    }

    /// What `replay` sends to `subscription`.
    pub(crate) fn stretch(self: &Arc<Self>, subscription: &Arc<Subscription>, replay: &Arc<Replay>) -> Stretch {
        Stretch::new(self, subscription, replay)
    }

    /// The event at `sequence`: from memory if it is there.
    pub(crate) async fn item(&self, sequence: Sequence) -> Result<Option<Arc<Item>>, StoreError> {
        if let Some(item) = self.at_hand(sequence) {
            return Ok(Some(item));
        }
        match self.store.event(sequence).await? {
            Some(stored) => self.maker.item(stored).await.map(Some),
            None => Ok(None),
        }
    }

    /// The event at `sequence`, if it is in memory.
    pub(crate) fn at_hand(&self, sequence: Sequence) -> Option<Arc<Item>> {
        let in_ring = self.ring().item(sequence);
        in_ring.or_else(|| self.pages.at_hand(sequence))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// What the subscription wants after `after`: at most `room` (at least 1) events.
    pub(crate) async fn read(&self, after: Sequence, room: usize) -> Result<Found, StoreError> {
        let (found, is_armed) = self.feed.ring().read(self.number, after, room);
        if is_armed {
            self.feed.awaited.notify_one();
        }
        if let Some(found) = found {
            return Ok(found);
        }
        let page = self.feed.pages.page_after(after).await?;
        if room >= HURRY_ROOM && page.end() < self.feed.ring().begin() {
            self.feed.pages.ask_for_next(&page);
        }
        let (items, up_to) = page.wanted(after, page.end(), room, |item| self.wants(item));
        Ok(Found::Items { items, up_to, old: true })
    }

    fn wants(&self, item: &Item) -> bool {
        item.is_wanted(self.interest, &self.subscription)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.feed.ring().leave(self.number);
    }
}

#[cfg(test)]
mod tests;
