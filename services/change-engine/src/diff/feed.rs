//! Events of the feeds through which banks tell the expenses of a domain's cards.
//!
//! A feed that breaks takes most of its cards with it; that is one event, not hundreds. The rule for the cards of one bank:
//!
//! - more than half fail, and there are two at least: the *feed* fails. That is said once, for the feed. Its cards keep what
//!   was last said of each, except that one that works again has recovered;
//! - otherwise each card answers for itself: [`Card::feed_failed`] is whether it fails. A feed that had failed has recovered,
//!   and a card that still fails then gets its own event.
//!
//! A card without a result is not known to fail, so it does not.

use std::collections::{BTreeMap, BTreeSet};

use event_model::{Card, EntityKind, EventDraft, EventType, Feed, Subject};

use super::{Known, Seen, one_draft};

/// The upstream's code of a run that went well (reference section 4.3).
const GOOD: i64 = 200;
/// One card alone is no feed: its failure is its own.
const FEED_CARDS: usize = 2;

/// The events of the feeds of `domain`, by bank. `cards` are all cards of the domain as observed now; sets what is to be told
/// of each one's own feed ([`Card::feed_failed`]), for [`card_drafts`](super::card_drafts) to tell. `known_feeds` are the
/// feeds of the domain in the log by bank; `told_failed` the ids of the cards whose object in the log says that their own
/// feed failed ([`feed_failed`](super::feed_failed)).
pub fn feed_drafts(
    seen: &Seen<'_>,
    domain: &str,
    known_feeds: &BTreeMap<String, Known>,
    told_failed: &BTreeSet<String>,
    cards: &mut [Card],
) -> Vec<EventDraft> {
    let mut banks: BTreeMap<String, Vec<&mut Card>> = BTreeMap::new();
    for card in cards {
        match &card.bank {
            Some(bank) => banks.entry(bank.clone()).or_default().push(card),
            None => card.feed_failed = fails(card),
        }
    }
    let mut drafts = Vec::new();
    for (bank, mut cards) in banks {
        let feed = observed(domain, &bank, &cards);
        for card in &mut cards {
            let fails = fails(card);
            card.feed_failed = fails && (!feed.failed || told_failed.contains(&card.card_id));
        }
        drafts.extend(turn(seen, known_feeds.get(&bank), &feed));
    }
    drafts
}

fn fails(card: &Card) -> bool {
    card.last_import_result.is_some_and(|code| code != GOOD)
}

fn observed(domain: &str, bank: &str, cards: &[&mut Card]) -> Feed {
    let failing: Vec<&Card> = cards.iter().map(|card| &**card).filter(|card| fails(card)).collect();
    let mut ids: Vec<String> = failing.iter().map(|card| card.card_id.clone()).collect();
    ids.sort();
    Feed {
        domain: domain.to_owned(),
        bank: bank.to_owned(),
        failed: cards.len() >= FEED_CARDS && failing.len() * 2 > cards.len(),
        cards: cards.len() as u64,
        failing: ids,
        result: commonest(failing.iter().filter_map(|card| card.last_import_result)),
    }
}

/// The code that most show; of several the lowest, so that the order of the cards does not matter.
fn commonest(codes: impl Iterator<Item = i64>) -> Option<i64> {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for code in codes {
        *counts.entry(code).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|(code, count)| (*count, std::cmp::Reverse(*code))).map(|(code, _)| code)
}

/// The event of a feed that failed or recovered as a whole.
fn turn(seen: &Seen<'_>, known: Option<&Known>, feed: &Feed) -> Option<EventDraft> {
    let failed_before = known.is_some_and(|known| known.object["failed"].as_bool().unwrap_or(false));
    if failed_before == feed.failed {
        return None;
    }
    let turn = if feed.failed { EventType::CardFeedFailed } else { EventType::CardFeedRecovered };
    let subject = Subject::new(EntityKind::Feed, Feed::id(&feed.domain, &feed.bank));
    Some(one_draft(seen, subject, known, turn, feed))
}
