//! The bounds of the console. Whoever has no session costs a page of text; whoever has one is bounded by their key as well.

use std::time::Duration;

/// Sessions at a time: more people than look after one service. The one that was unused longest makes room for another.
pub const MAX_SESSIONS: usize = 1000;

/// A session that nobody used for so long ends: a desk that was left.
pub const SESSION_IDLE: Duration = Duration::from_secs(60 * 60);

/// A session ends after so long however it is used: a working day.
pub const SESSION_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// Bytes of a session's id, of a CSRF token and of what makes a form's sending unique: 256 bits.
pub const RANDOM_BYTES: usize = 32;

/// Failed sign-ins of one address within [`FAILURES_KEPT`]: a person mistypes a few times, a program is stopped.
pub const MAX_FAILURES: u32 = 10;

/// How long failed sign-ins count.
pub const FAILURES_KEPT: Duration = Duration::from_secs(5 * 60);

/// Addresses whose failures are remembered; 50 bytes each. Beyond it all others share one count.
pub const MAX_ADDRESSES: usize = 10_000;

/// Longest key that is tried: the API looks at no longer one.
pub const MAX_KEY: usize = 512;

/// Largest form. The largest honest one makes a subscription.
pub const MAX_FORM_BYTES: usize = 64 * 1024;

/// From the head of a request to the head of its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer of the API that is read into memory: a page of events is at most 4 MiB and one event more.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How often the metrics are read for the charts.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// Minutes that the charts remember: a day.
pub const SAMPLED_MINUTES: usize = 24 * 60;

/// Events on one page of the list.
pub const EVENTS_SHOWN: usize = 50;

/// Events of an entity's history that are shown: its last ones.
pub const HISTORY_SHOWN: usize = 50;

/// Subscriptions that are asked for at once, to put the failing ones first.
pub const SUBSCRIPTIONS_ASKED: usize = 1000;

/// Subscriptions, deliveries or keys on one page.
pub const ROWS_SHOWN: usize = 100;

/// Lines of before and after of one event: a policy that was taken over can have thousands.
pub const CHANGES_SHOWN: usize = 200;
