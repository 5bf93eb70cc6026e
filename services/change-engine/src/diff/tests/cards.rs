//! Cards and their feeds.

use super::*;

/// Cards of the bank `vcf`, numbered, each with the code of its last run.
fn cards(results: &[Option<i64>]) -> Vec<Card> {
    results.iter().enumerate().map(|(n, result)| card(&format!("{n}"), "vcf", *result)).collect()
}

fn card(id: &str, bank: &str, result: Option<i64>) -> Card {
    Card {
        card_id: id.into(),
        domain: "acme.example".into(),
        bank: Some(bank.into()),
        last_import_result: result,
        ..Card::default()
    }
}

const GOOD: Option<i64> = Some(200);
const BAD: Option<i64> = Some(531);

/// What the looks at these cards say, one after the other; the first is the first sight.
fn watched(looks: &[&[Option<i64>]]) -> Vec<Vec<String>> {
    let mut log = Log::default();
    let mut told = Vec::new();
    for (n, results) in looks.iter().enumerate() {
        let seen = if n == 0 { at_first_sight() } else { at_a_later_look() };
        let drafts = log.see_cards(&seen, &cards(results));
        told.push(types_and_subjects(&drafts));
        assert_eq!(log.see_cards(&at_a_later_look(), &cards(results)), [], "the same again");
    }
    told.remove(0);
    told
}

#[test]
fn nothing_of_an_unchanged_card_is_told_and_edits_are() {
    let seen = at_a_later_look();
    let one = card("1", "vcf", GOOD);
    assert_eq!(told(&card_drafts(&seen, None, &one)), ["card.added"]);
    assert_eq!(card_drafts(&seen, Some(&known(&one)), &one), []);
    let moved = Card { last_import_result: None, ..one.clone() };
    assert_eq!(card_drafts(&seen, Some(&known(&one)), &moved), [], "the run of the feed alone");
    let renamed = Card { card_name: Some("Visa".into()), ..one.clone() };
    assert_eq!(card_drafts(&seen, Some(&known(&one)), &renamed)[0].data.changed, ["cardName"]);
    let subject = Subject::new(EntityKind::Card, "1");
    assert_eq!(removal_draft(&seen, &subject, &known(&one)).map(|d| d.event_type), Some(EventType::CardRemoved));
}

#[test]
fn the_failure_of_one_card_is_its_own() {
    let told = watched(&[&[GOOD; 5], &[BAD, GOOD, GOOD, GOOD, GOOD], &[GOOD; 5]]);
    assert_eq!(told, [["card.feed_failed 0"], ["card.feed_recovered 0"]]);
    let told = watched(&[&[GOOD], &[BAD], &[None]]);
    assert_eq!(told, [["card.feed_failed 0"], ["card.feed_recovered 0"]], "a bank with one card has no feed");
    let told = watched(&[&[GOOD; 2], &[BAD, GOOD]]);
    assert_eq!(told, [["card.feed_failed 0"]], "half is not most");
}

#[test]
fn the_failure_of_most_cards_of_a_bank_is_one_of_the_feed() {
    let told = watched(&[&[GOOD; 5], &[BAD, BAD, BAD, GOOD, GOOD], &[BAD; 5], &[GOOD; 5]]);
    let feed = |turn: &str| vec![format!("card.{turn} acme.example:vcf")];
    assert_eq!(told, [feed("feed_failed"), vec![], feed("feed_recovered")]);
    assert_eq!(watched(&[&[GOOD; 2], &[BAD; 2], &[GOOD; 2]]), [feed("feed_failed"), feed("feed_recovered")]);
}

#[test]
fn a_card_that_keeps_failing_when_its_feed_recovers_then_gets_its_own_event() {
    let told = watched(&[&[GOOD; 4], &[BAD; 4], &[BAD, GOOD, GOOD, GOOD], &[GOOD; 4]]);
    assert_eq!(told[1], ["card.feed_recovered acme.example:vcf", "card.feed_failed 0"]);
    assert_eq!(told[2], ["card.feed_recovered 0"]);
}

#[test]
fn a_card_that_had_failed_before_its_feed_is_told_when_it_works_again() {
    let told = watched(&[&[GOOD; 4], &[BAD, GOOD, GOOD, GOOD], &[BAD; 4], &[GOOD, BAD, BAD, BAD], &[GOOD; 4]]);
    assert_eq!(told[1], ["card.feed_failed acme.example:vcf"]);
    assert_eq!(told[2], ["card.feed_recovered 0"]);
    assert_eq!(told[3], ["card.feed_recovered acme.example:vcf"]);
}

#[test]
fn at_first_sight_a_feed_that_fails_is_told_and_a_card_is_a_snapshot() {
    let mut log = Log::default();
    let drafts = log.see_cards(&at_first_sight(), &cards(&[BAD, BAD, BAD]));
    assert_eq!(told(&drafts), ["card.feed_failed", "card.snapshot", "card.snapshot", "card.snapshot"]);
    let feed = &drafts[0].data.object;
    assert_eq!(
        *feed,
        json!({"domain": "acme.example", "bank": "vcf", "failed": true, "cards": 3, "failing": ["0", "1", "2"], "result": 531})
    );
    let mut log = Log::default();
    let drafts = log.see_cards(&at_first_sight(), &cards(&[BAD, GOOD, GOOD]));
    assert_eq!(told(&drafts), ["card.snapshot", "card.snapshot", "card.snapshot"]);
    assert_eq!(drafts[0].data.object["feedFailed"], true);
    assert_eq!(types_and_subjects(&log.see_cards(&at_a_later_look(), &cards(&[GOOD; 3]))), ["card.feed_recovered 0"]);
}

#[test]
fn a_card_that_is_new_and_fails_is_added_then_fails() {
    let mut log = Log::default();
    log.see_cards(&at_first_sight(), &cards(&[GOOD; 3]));
    let drafts = log.see_cards(&at_a_later_look(), &cards(&[GOOD, GOOD, GOOD, BAD]));
    assert_eq!(types_and_subjects(&drafts), ["card.added 3", "card.feed_failed 3"]);
    assert_eq!(drafts[1].data.changed, ["feedFailed"]);
}

#[test]
fn an_edit_and_a_failure_in_one_look_are_two_events() {
    let mut log = Log::default();
    log.see_cards(&at_first_sight(), &cards(&[GOOD; 3]));
    let mut after = cards(&[BAD, GOOD, GOOD]);
    after[0].email = Some("sam".into());
    let drafts = log.see_cards(&at_a_later_look(), &after);
    assert_eq!(told(&drafts), ["card.changed", "card.feed_failed"]);
    assert_eq!(
        (&drafts[0].data.object["feedFailed"], &drafts[1].data.object["feedFailed"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn banks_answer_for_themselves_and_cards_without_a_bank_too() {
    let mut log = Log::default();
    let all = |a, b, none| {
        let mut cards =
            vec![card("1", "a", a), card("2", "a", a), card("3", "b", b), card("4", "b", b), card("5", "", none)];
        cards[4].bank = None;
        cards
    };
    log.see_cards(&at_first_sight(), &all(GOOD, GOOD, None));
    let drafts = log.see_cards(&at_a_later_look(), &all(BAD, GOOD, BAD));
    assert_eq!(types_and_subjects(&drafts), ["card.feed_failed acme.example:a", "card.feed_failed 5"]);
}
