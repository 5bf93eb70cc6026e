//! The failure of one card's feed is that card's; of most cards of a bank it is one event of the feed.

use expensify_sim::{Change, Edit, SimConfig, Trigger};

use crate::world::{DOMAIN, World, company};

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_fails_is_told_of_the_card_or_of_the_bank() {
    let mut world = World::start(SimConfig { cards: 24, ..company() }).await;
    let events = async |world: &mut World, mark, count| {
        world.told(mark, count).await;
        world.read_all().await;
        let told = world.since(mark).await;
        told.iter().map(|event| format!("{} {}", event.event_type.as_str(), event.subject)).collect::<Vec<_>>()
    };
    let mark = world.mark();
    let failed = world.change(&Trigger::any(Change::FeedFailed));
    let card: u64 = failed.entity.split_once('/').unwrap().1.parse().unwrap();
    assert_eq!(events(&mut world, mark, 1).await, [format!("card.feed_failed card/{card}")], "that card's own");
    let mark = world.mark();
    world.change(&Trigger::card(Change::FeedRecovered, card));
    assert_eq!(events(&mut world, mark, 1).await, [format!("card.feed_recovered card/{card}")]);

    let mark = world.mark();
    let bank = |change: Change, share: f64| Trigger::any(change).with(Edit::Bank { bank: "vcf".into(), share });
    world.change(&bank(Change::FeedFailed, 0.8));
    assert_eq!(events(&mut world, mark, 1).await, [format!("card.feed_failed feed/{DOMAIN}:vcf")], "one for the bank");
    let mark = world.mark();
    world.change(&bank(Change::FeedRecovered, 1.0));
    assert_eq!(events(&mut world, mark, 1).await, [format!("card.feed_recovered feed/{DOMAIN}:vcf")]);
    world.stopped().await;
}
