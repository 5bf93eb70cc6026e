//! What goes ahead of the paced queue, and how much of the budget that may take.
//!
//! A lane that is paid for at a share s of the pace: a start that holds the queue back for h keeps its lane shut for h/s, less
//! what the lane has in credit. In the long run the lane takes s of all requests and never more.

use jiff::{SignedDuration, Timestamp};

use super::watch::{add, times};

/// Confirmations, follow-ups and refreshes: a follow-up batch beside every second read of the reports on the move fits.
pub const ONE_SHOT_SHARE: f64 = 1.0 / 3.0;
/// First sights while something is baselined. With both lanes full a sixth is left for what is known already: its delay
/// grows sixfold for the time that a first sight takes, and no more.
pub const FIRST_SIGHT_SHARE: f64 = 0.5;
/// What a lane keeps while the age cap presses: work ahead of the queue slows down, and never stops for good.
pub const PRESSED_SHARE: f64 = 0.1;
/// A lane that was not used may be so far ahead of what it has paid: as much as the narrow window lets through at once.
const CREDIT: SignedDuration = SignedDuration::from_secs(30);

/// Where a watch queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    OneShots,
    FirstSights,
    Paced,
}

/// What a lane has spent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    paid: Option<Timestamp>,
    /// Paid at [`PRESSED_SHARE`], of the last start alone.
    paid_pressed: Option<Timestamp>,
}

impl Lane {
    /// When the lane opens.
    pub(super) fn opens(&self, pressed: bool) -> Timestamp {
        let opens = self.paid.map_or(Timestamp::MIN, |at| add(at, -CREDIT));
        if pressed { opens.max(self.paid_pressed.unwrap_or(Timestamp::MIN)) } else { opens }
    }

    /// Takes in a start that holds the queue back for `hold`.
    pub(super) fn charge(&mut self, share: f64, hold: SignedDuration, now: Timestamp) {
        self.paid = Some(add(self.paid.map_or(now, |at| at.max(now)), times(hold, 1.0 / share)));
        self.paid_pressed = Some(add(now, times(hold, 1.0 / PRESSED_SHARE)));
    }
}
