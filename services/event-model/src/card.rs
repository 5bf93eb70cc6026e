//! Cards of a domain in the canonical form that events carry (reference section 4.3).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::date::UpstreamDate;

/// A card. `lastImport` moves with every run of the feed and is left out: it says nothing about the card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// Id, as text.
    #[serde(rename = "cardID")]
    pub card_id: String,
    /// The domain whose list it is on.
    pub domain: String,
    /// Feed, such as `vcf`.
    pub bank: Option<String>,
    /// Name.
    pub card_name: Option<String>,
    /// Masked number.
    pub card_number: Option<String>,
    /// Holder.
    pub email: Option<String>,
    /// The employer's id of the holder.
    #[serde(rename = "externalEmployeeID")]
    pub external_employee_id: Option<String>,
    /// When the card was added.
    pub created: Option<UpstreamDate>,
    /// Whether its expenses are reimbursed.
    pub reimbursable: Option<bool>,
    /// Code of the feed's last run: 200 is good, anything else a broken feed. It moves with the feed, and never makes an
    /// event by itself.
    pub last_import_result: Option<i64>,
    /// Ours: the last event about this card's own feed said that it failed. A failure of the bank's whole feed is told once,
    /// for the feed ([`Feed`](crate::feed::Feed)), and leaves this as it was.
    #[serde(default)]
    pub feed_failed: bool,
    /// Earliest date the feed reads.
    pub scrape_min_date: Option<UpstreamDate>,
    /// What the upstream said beside these, kept as it was.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
