//! A card, and the feed of its bank: one card that fails is told of itself, most of a bank's cards as their feed.

use serde_json::json;

use super::{BANK, CARD_ID, DOMAIN, LEE, SAM, Told, date, text};
use crate::{card::Card, entity::EntityKind, event::Event, event_type::EventType, feed::Feed};

/// What the upstream shows of a feed that works.
const GOOD: i64 = 200;
/// The bank wants to be signed in to anew.
const SIGN_IN: i64 = 403;

/// An event about the card, or about the feed of all of them.
pub(super) fn example(event_type: EventType) -> Event {
    let told = |revision, at, card: Card| Told::new(event_type, EntityKind::Card, CARD_ID, revision, at, &card);
    match event_type {
        EventType::CardChanged => {
            let previous = json!({ "cardName": "Visa - 4004", "email": LEE });
            told(2, "2026-04-09T11:32:40Z", passed_on()).news().at(1083).before(previous)
        }
        EventType::CardRemoved => told(5, "2026-07-01T09:15:02Z", passed_on()).news().at(1420),
        EventType::CardFeedFailed => {
            told(3, "2026-05-11T04:10:33Z", failing()).news().at(1204).before(json!({ "feedFailed": false }))
        }
        EventType::CardFeedRecovered => {
            Told::new(event_type, EntityKind::Feed, &feed_id(), 2, "2026-05-21T06:20:18Z", &feed())
                .news()
                .at(1260)
                .before(json!({ "failed": true, "failing": ["5190011", "5190012"], "result": SIGN_IN }))
        }
        EventType::CardAdded => {
            let card = Card { card_id: "5190012".to_owned(), card_number: text("XXXXXXXXXXXX4012"), ..passed_on() };
            Told::new(event_type, EntityKind::Card, "5190012", 1, "2026-04-09T11:32:40Z", &card).news().at(1084)
        }
        // The first sight.
        _ => told(1, "2026-03-02T07:00:16Z", card()).at(44),
    }
    .event()
}

fn card() -> Card {
    Card {
        card_id: CARD_ID.to_owned(),
        domain: DOMAIN.to_owned(),
        bank: text(BANK),
        card_name: text("Visa - 4004"),
        card_number: text("XXXXXXXXXXXX4004"),
        email: text(LEE),
        external_employee_id: text("E-0017"),
        created: date("2024-11-05 10:31:22"),
        reimbursable: Some(false),
        last_import_result: Some(GOOD),
        feed_failed: false,
        scrape_min_date: date("2024-11-01"),
        ..Card::default()
    }
}

/// The card with its next holder.
fn passed_on() -> Card {
    Card { card_name: text("Visa - 4004, Sam"), email: text(SAM), ..card() }
}

fn failing() -> Card {
    Card { last_import_result: Some(SIGN_IN), feed_failed: true, ..passed_on() }
}

fn feed_id() -> String {
    Feed::id(DOMAIN, BANK)
}

/// The feed when all of it works again.
fn feed() -> Feed {
    Feed {
        domain: DOMAIN.to_owned(),
        bank: BANK.to_owned(),
        failed: false,
        cards: 3,
        failing: Vec::new(),
        result: None,
    }
}
