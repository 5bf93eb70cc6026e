//! The feed through which a bank tells the expenses of a domain's cards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A feed as a whole. It is told of only when it fails or recovers as a whole: when more than half of its cards do. The
/// upstream knows no feed; this is what its cards say together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Feed {
    /// The domain whose cards it feeds.
    pub domain: String,
    /// The bank, such as `vcf`.
    pub bank: String,
    /// Whether more than half of its cards fail.
    pub failed: bool,
    /// Cards that it feeds.
    pub cards: u64,
    /// The ids of those that fail, sorted.
    pub failing: Vec<String>,
    /// The code that most of them show; `null` when none fails.
    pub result: Option<i64>,
}

impl Feed {
    /// The id of the feed of `bank` in `domain`.
    pub fn id(domain: &str, bank: &str) -> String {
        format!("{domain}:{bank}")
    }
}
