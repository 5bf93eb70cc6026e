//! Replays.

use serde::Deserialize;

use super::{delivery::Attempt, subscription::Trouble};
use crate::{link, time::Moment};

/// The replays of a subscription.
#[derive(Default, Deserialize)]
pub(crate) struct Replays {
    pub replays: Vec<Replay>,
}

/// A replay, and how far it has come.
#[derive(Deserialize)]
pub(crate) struct Replay {
    pub id: String,
    pub subscription: String,
    pub state: String,
    pub after: u64,
    pub up_to: u64,
    pub count: Option<u64>,
    pub rate_per_s: Option<u32>,
    pub cursor: u64,
    pub delivered: u64,
    pub failed: u64,
    pub pending: u64,
    pub last_failure: Option<Attempt>,
    pub trouble: Option<Trouble>,
    pub created_at: Moment,
    pub ended_at: Option<Moment>,
}

impl Replay {
    /// The address of its page.
    pub fn address(&self) -> String {
        format!("/console/subscriptions/{}/replays/{}", link::segment(&self.subscription), link::segment(&self.id))
    }

    /// The address of its subscription's page.
    pub fn owner(&self) -> String {
        format!("/console/subscriptions/{}", link::segment(&self.subscription))
    }

    pub fn is_running(&self) -> bool {
        self.state == "running"
    }

    /// The class of its mark.
    pub fn tone(&self) -> &'static str {
        match self.state.as_str() {
            "running" => "info",
            "done" if self.failed > 0 => "bad",
            "done" => "good",
            _ => "calm",
        }
    }

    /// How much of it is over, in percent.
    pub fn percent(&self) -> u64 {
        let (part, whole) = match self.count {
            Some(count) => (self.delivered + self.failed, count),
            None => (self.cursor.saturating_sub(self.after), self.up_to.saturating_sub(self.after)),
        };
        match (self.is_running(), whole) {
            (false, _) if self.state == "done" => 100,
            (_, 0) => 0,
            _ => (part * 100 / whole).min(100),
        }
    }
}

/// What a replay would send.
#[derive(Deserialize)]
pub(crate) struct DryRun {
    pub after: u64,
    pub up_to: u64,
    pub count: Option<u64>,
    pub first: Option<Point>,
    pub last: Option<Point>,
}

/// A place in the log.
#[derive(Deserialize)]
pub(crate) struct Point {
    pub sequence: u64,
    pub observed_at: Moment,
}
