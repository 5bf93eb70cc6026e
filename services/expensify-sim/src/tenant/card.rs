//! A domain's company card.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::dates;

/// How often the bank feed is imported. Every import moves `lastImport` of every card, which is noise to a watcher.
const FEED_INTERVAL_S: i64 = 600;
/// `lastImportResult` of a feed that imports.
const GOOD_IMPORT: u16 = 200;

/// A purchase that reached the card and no report.
#[derive(Debug, Clone)]
pub(crate) struct Unreported {
    pub(crate) id: String,
    pub(crate) merchant: String,
    pub(crate) amount: i64,
    pub(crate) posted: Date,
}

/// A bank feed that does not import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) since: Timestamp,
    /// What its runs answer.
    pub(crate) result: u16,
}

/// One card.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) id: u64,
    pub(crate) bank: String,
    pub(crate) name: String,
    pub(crate) number: String,
    pub(crate) created: Timestamp,
    pub(crate) email: String,
    pub(crate) external_employee_id: String,
    pub(crate) reimbursable: bool,
    pub(crate) scrape_min_date: Option<Date>,
    pub(crate) unreported: Vec<Unreported>,
    pub(crate) failing: Option<Failing>,
}

impl Card {
    /// Its line in `domainCardList` at this moment.
    pub(crate) fn line(&self, now: Timestamp) -> Value {
        let newest = self.failing.map_or(now, |failing| failing.since.min(now));
        let into_interval_s = newest.as_second().rem_euclid(FEED_INTERVAL_S);
        json!({
            "bank": self.bank,
            "cardID": self.id,
            "cardName": self.name,
            "cardNumber": self.number,
            "created": dates::date_time(self.created),
            "email": self.email,
            "externalEmployeeID": self.external_employee_id,
            "lastImport": dates::date_time(dates::earlier(newest, into_interval_s)),
            "lastImportResult": self.failing.map_or(GOOD_IMPORT, |failing| failing.result),
            "reimbursable": self.reimbursable,
            "scrapeMinDate": self.scrape_min_date.map(|day| day.to_string()).unwrap_or_default(),
        })
    }
}
