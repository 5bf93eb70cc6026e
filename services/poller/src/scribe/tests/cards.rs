//! Cards of a domain.

use event_model::Card;

use super::desk::{Desk, at};
use crate::scribe::{CardsSeen, Watch};

const DOMAIN: &str = "acme.example";

fn card(id: &str) -> Card {
    let (card_id, domain) = (id.to_owned(), DOMAIN.to_owned());
    Card { card_id, domain, bank: Some("vcf".into()), last_import_result: Some(200), ..Card::default() }
}

fn cards(count: usize) -> Vec<Card> {
    (0..count).map(|n| card(&format!("10{n}"))).collect()
}

async fn list(desk: &mut Desk, seconds: i64, cards: Vec<Card>) {
    let (started_at, observed_at, domain) = (at(seconds), at(seconds + 1), DOMAIN.to_owned());
    desk.scribe.cards(CardsSeen { domain, started_at, observed_at, cards }).await.unwrap();
}

#[tokio::test]
async fn a_card_is_removed_when_a_second_list_does_not_show_it_either() {
    let mut desk = Desk::open().await;
    list(&mut desk, 0, cards(4)).await;
    let before = desk.count();
    list(&mut desk, 10, cards(3)).await;
    desk.restart().await;
    list(&mut desk, 15, cards(3)).await;
    assert_eq!(desk.count(), before, "two lists this near are one look");
    list(&mut desk, 25, cards(3)).await;
    assert_eq!(desk.told(before).await, ["card.removed card/103"]);
    let removed = desk.full_events().await.pop().unwrap();
    assert_eq!(removed.detection.not_before, Some(at(0)), "the last list that showed it");
}

#[tokio::test]
async fn the_feed_of_most_cards_is_one_event_and_that_of_one_card_its_own() {
    let mut desk = Desk::open().await;
    list(&mut desk, 0, cards(4)).await;
    let before = desk.count();
    let broken = |count: usize| {
        let broken =
            |(n, card): (usize, Card)| Card { last_import_result: Some(if n < count { 403 } else { 200 }), ..card };
        cards(4).into_iter().enumerate().map(broken).collect::<Vec<_>>()
    };
    list(&mut desk, 10, broken(1)).await;
    assert_eq!(desk.told(before).await, ["card.feed_failed card/100"]);
    list(&mut desk, 20, broken(0)).await;
    list(&mut desk, 30, broken(4)).await;
    desk.restart().await;
    list(&mut desk, 40, broken(4)).await;
    list(&mut desk, 50, broken(0)).await;
    let feed = "feed/acme.example:vcf";
    let expected =
        ["card.feed_recovered card/100", &format!("card.feed_failed {feed}"), &format!("card.feed_recovered {feed}")];
    assert_eq!(desk.told(before + 1).await, expected);
}

#[tokio::test]
async fn a_domain_that_is_refused_is_lost_and_its_cards_stand() {
    let mut desk = Desk::open().await;
    list(&mut desk, 0, cards(4)).await;
    let before = desk.count();
    let watch = Watch::Cards(DOMAIN.to_owned());
    for seconds in [10, 30, 50] {
        desk.scribe.refused(&watch, at(seconds), at(seconds + 1)).await.unwrap();
    }
    list(&mut desk, 60, cards(5)).await;
    let changed = "account.access_changed account/acme";
    assert_eq!(desk.told(before).await, [changed, "card.added card/104", changed]);
}
