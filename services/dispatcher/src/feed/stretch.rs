//! A part of the log for one replay: read by pages, from memory where others read the same.

use std::sync::Arc;

use event_model::{Replay, Sequence, Subscription};
use event_store::StoreError;

use super::{Bell, Feed, Found, Item, interest};

/// What a replay sends of the log.
pub(crate) struct Stretch {
    feed: Arc<Feed>,
    subscription: Arc<Subscription>,
    interest: u64,
    replay: Arc<Replay>,
    pub(crate) bell: Arc<Bell>,
}

impl Stretch {
    pub(super) fn new(feed: &Arc<Feed>, subscription: &Arc<Subscription>, replay: &Arc<Replay>) -> Self {
        let interest = interest::of(&subscription.filter);
        let (subscription, replay) = (Arc::clone(subscription), Arc::clone(replay));
        Self { feed: Arc::clone(feed), subscription, interest, replay, bell: Arc::default() }
    }

    pub(crate) const fn replay(&self) -> &Arc<Replay> {
        &self.replay
    }

    /// What the replay sends after `after`: at most `room` (at least 1) events.
    pub(crate) async fn read(&self, after: Sequence, room: usize) -> Result<Found, StoreError> {
        let end = self.replay.up_to;
        if after >= end {
            return Ok(Found::CaughtUp(after));
        }
        match &self.replay.chosen {
            Some(chosen) => self.read_chosen(chosen, after, room).await,
            None => {
                let page = self.feed.pages.page_after(after).await?;
                let wants = |item: &Item| self.wants(item);
                let (items, up_to) = page.wanted(after, end, room, wants);
                Ok(Found::Items { items, up_to, old: true })
            }
        }
    }

    async fn read_chosen(&self, chosen: &[Sequence], after: Sequence, room: usize) -> Result<Found, StoreError> {
        let begin = chosen.partition_point(|sequence| *sequence <= after);
        let next = &chosen[begin..chosen.len().min(begin + room)];
        let mut items = Vec::with_capacity(next.len());
        for sequence in next {
            // Retention may have removed it since.
            items.extend(self.feed.item(*sequence).await?.filter(|item| self.wants(item)));
        }
        let is_last = begin + next.len() == chosen.len();
        let up_to = next.last().copied().filter(|_| !is_last).unwrap_or(self.replay.up_to);
        Ok(Found::Items { items, up_to, old: true })
    }

    fn wants(&self, item: &Item) -> bool {
        item.is_wanted(self.interest, &self.subscription)
    }
}
