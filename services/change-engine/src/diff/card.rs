//! Events of a card.
//!
//! Edits come before the feed: `card.changed` for what people did, then `card.feed_failed` or `card.feed_recovered` when
//! [`Card::feed_failed`] turns. Whether that turns is decided with the other cards of the bank, in [`feed_drafts`].
//!
//! [`feed_drafts`]: super::feed_drafts

use event_model::{Card, EntityKind, EventDraft, EventType, Subject};
use serde_json::Value;

use super::{Chain, Happening, Known, Seen, as_map, object_of};
use crate::paths::keep_moments;

/// The key of [`Card::feed_failed`].
const FEED_FAILED: &str = "feedFailed";

/// Whether the last event about this card's own feed said that it failed.
pub fn feed_failed(card: &Known) -> bool {
    card.object[FEED_FAILED].as_bool().unwrap_or(false)
}

/// The events that lead from `known` to `card`, whose `feed_failed` is set; none when nothing changed. A card that is new and
/// whose feed fails is added, then fails.
pub fn card_drafts(seen: &Seen<'_>, known: Option<&Known>, card: &Card) -> Vec<EventDraft> {
    let mut chain = Chain::after(seen, Subject::new(EntityKind::Card, &card.card_id), known);
    let mut after = object_of(card);
    let live = known.filter(|known| !known.removed);
    if let Some(known) = live {
        keep_moments(&as_map(known.object.clone()), &mut after);
    }
    if known.is_none() && !seen.baselined {
        chain.snapshot(EventType::CardSnapshot, after);
        return chain.take();
    }
    let failed_before = live.is_some_and(feed_failed);
    let mut edited = after.clone();
    edited.insert(FEED_FAILED.to_owned(), Value::Bool(failed_before));
    if live.is_none() {
        chain.push(Happening::observed(seen, EventType::CardAdded), edited);
    } else if failed_before == card.feed_failed {
        chain.settle(EventType::CardChanged, EventType::CardSnapshot, edited);
    } else {
        chain.push_change(EventType::CardChanged, &edited);
    }
    if failed_before != card.feed_failed {
        let turn = if card.feed_failed { EventType::CardFeedFailed } else { EventType::CardFeedRecovered };
        chain.push(Happening::observed(seen, turn), after);
    }
    chain.take()
}
