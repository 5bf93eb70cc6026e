//! Cards of a domain (reference section 4.3).

use event_model::Card;
use serde_json::{Map, Value};

use crate::canonical::{
    list,
    scalar::{Unfit, date, flag, id, integer, text},
};

/// Moves with every run of the feed and says nothing about the card.
const VOLATILE: &str = "lastImport";
/// Keys of a [`Card`] that say what we say of it.
const OURS: [&str; 2] = ["domain", "feedFailed"];
const KNOWN: [&str; 10] = [
    "cardID",
    "bank",
    "cardName",
    "cardNumber",
    "email",
    "externalEmployeeID",
    "created",
    "reimbursable",
    "lastImportResult",
    "scrapeMinDate",
];

/// An answer that is no list of cards. One card that cannot be read spoils the list: without it the card would look
/// removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotCards {
    #[error("domainCardList is no list of objects")]
    Shape,
    #[error("a card has no cardID")]
    NoId,
    #[error("card {0}: {1}")]
    Unfit(String, Unfit),
}

/// The cards in canonical form, sorted by id.
pub(crate) fn cards(domain: &str, value: &Value) -> Result<Vec<Card>, NotCards> {
    let items = value.as_array().ok_or(NotCards::Shape)?;
    let read = items.iter().map(|item| card(domain, item.as_object().ok_or(NotCards::Shape)?));
    let (cards, twice) = list::by_key(read.collect::<Result<_, _>>()?, |card: &Card| card.card_id.clone());
    for card in twice {
        tracing::warn!(domain, card, "the upstream lists a card twice with different values; the last is taken");
    }
    Ok(cards)
}

fn card(domain: &str, object: &Map<String, Value>) -> Result<Card, NotCards> {
    let at = |key: &str| object.get(key).unwrap_or(&Value::Null);
    let card_id = id("cardID", at("cardID")).ok().flatten().ok_or(NotCards::NoId)?;
    let read = || {
        Ok::<_, Unfit>(Card {
            card_id: card_id.clone(),
            domain: domain.to_owned(),
            bank: text("bank", at("bank"))?,
            card_name: text("cardName", at("cardName"))?,
            card_number: text("cardNumber", at("cardNumber"))?,
            email: text("email", at("email"))?,
            external_employee_id: id("externalEmployeeID", at("externalEmployeeID"))?,
            created: date("created", at("created"))?,
            reimbursable: flag("reimbursable", at("reimbursable"))?,
            last_import_result: integer("lastImportResult", at("lastImportResult"))?,
            feed_failed: false,
            scrape_min_date: date("scrapeMinDate", at("scrapeMinDate"))?,
            other: object
                .iter()
                .filter(|(key, _)| *key != VOLATILE && !OURS.contains(&key.as_str()) && !KNOWN.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    };
    read().map_err(|unfit| NotCards::Unfit(card_id.clone(), unfit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_card_is_canonical_whatever_its_feed_did_last() {
        let card = |last_import: &str, id: Value| {
            json!({ "bank": "vcf", "cardID": id, "cardName": "Tom &amp; Co", "cardNumber": "XXXX4004",
                "created": "2024-05-02 08:11:40", "email": "sam@acme.example", "externalEmployeeID": "",
                "lastImport": last_import, "lastImportResult": 200, "reimbursable": false,
                "scrapeMinDate": "2024-05-01", "colour": "red" })
        };
        let one = cards("acme.example", &json!([card("2026-04-01 02:00:09", json!(5_190_011))])).unwrap();
        let two = cards("acme.example", &json!([card("", json!("5190011"))])).unwrap();
        assert_eq!(one, two);
        assert_eq!(one[0].card_id, "5190011");
        assert_eq!(one[0].card_name.as_deref(), Some("Tom & Co"));
        assert_eq!(one[0].external_employee_id, None);
        assert_eq!(one[0].other, [("colour".to_owned(), json!("red"))].into());
    }

    #[test]
    fn cards_are_sorted_and_one_that_cannot_be_read_spoils_the_list() {
        let ids = |value: Value| cards("d", &value).map(|all| all.into_iter().map(|c| c.card_id).collect::<Vec<_>>());
        assert_eq!(ids(json!([{ "cardID": 9 }, { "cardID": "10" }, { "cardID": 9 }])).unwrap(), ["10", "9"]);
        for bad in [json!({}), json!([7]), json!([{}]), json!([{ "cardID": 1, "created": "soon" }]), json!(null)] {
            assert!(ids(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn blank_and_missing_are_one_order_says_nothing_and_the_unknown_is_kept() {
        let read = |value: Value| cards("d", &value).unwrap();
        let bare = json!({ "cardID": "1", "limit": { "daily": 5 } });
        let mut blank =
            json!({ "cardID": 1, "limit": { "daily": 5 }, "lastImport": "", "domain": "x", "feedFailed": true });
        for key in KNOWN.into_iter().filter(|key| *key != "cardID") {
            blank[key] = json!(" ");
        }
        let other = json!({ "cardID": "2", "bank": "vcf" });
        assert_eq!(read(json!([bare, other])), read(json!([other, blank])));
        assert_eq!(read(json!([bare]))[0].other, [("limit".to_owned(), json!({ "daily": 5 }))].into());
        assert!(!read(json!([blank]))[0].feed_failed, "that is ours to say");
        assert_eq!(read(json!([])), []);
    }
}
