//! The bounds of the API. Nothing a caller sends can make the process hold more than these allow.

use std::time::Duration;

/// Largest request body. The largest honest one is a subscription with all its headers, far below this.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Largest request head, line and headers together: a bearer token, a cursor and a browser's cookies fit with room.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;

/// A request head must be whole within this time, and a kept-alive connection must begin its next request within it:
/// a client that drips or idles gives its place to another.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// From the head of a request to the head of its answer, reading the body included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that takes no byte of what waits for it for so long is gone or hostile: its connection is closed. Longer
/// than two heartbeats of a stream, shorter than the kernel's own patience of a quarter of an hour.
pub const WRITE_STALL: Duration = Duration::from_secs(60);

/// Connections at a time; further ones wait in the listener's backlog. Each costs some tens of kilobytes at rest.
pub const MAX_CONNECTIONS: usize = 1024;

/// Streams of events at a time; fewer than connections, so that streams never lock out plain requests.
pub const MAX_STREAMS: usize = 256;

/// Pause after `accept` failed (out of file descriptors, as a rule) instead of spinning on the same failure.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// From the request to stop until connections are dropped; the whole service promises to stop within 5 s.
pub const DRAIN: Duration = Duration::from_secs(2);

/// Items of a page when the caller names no limit.
pub const DEFAULT_LIMIT: usize = 100;

/// Most items of a page.
pub const MAX_LIMIT: usize = 1000;

/// Most event bytes of a page; the event that passes the bound is the page's last. A thousand small events fit.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Most events looked at for one page: a filter that matches nothing costs at most this many reads a request.
pub const MAX_SCAN: usize = 10_000;

/// Most accounts that are asked whether they have an entity, for a page about it in any account: some microseconds each. With more the
/// log is looked through.
pub const MAX_ACCOUNTS_ASKED: usize = 1000;

/// Most accounts that have it: each costs a page in memory.
pub const MAX_ACCOUNTS_WALKED: usize = 8;

/// Events read from the store at a time while scanning.
pub const READ_BATCH: usize = 256;

/// Silence on a stream before a heartbeat: below the 30 to 60 s after which proxies drop an idle connection.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Most event bytes that one stream holds; with [`MAX_STREAMS`] it bounds the memory of all of them.
pub const MAX_STREAM_BYTES: usize = 256 * 1024;

/// How long a browser waits before it connects again.
pub const RECONNECT_MS: u64 = 2000;

/// How long an answer is kept for its `Idempotency-Key`.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How often what is older is swept.
pub const IDEMPOTENCY_SWEEP: Duration = Duration::from_secs(60 * 60);

/// Longest `Idempotency-Key`: that of the IETF draft's examples, several times over.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;

/// Tests that may wait for one subscription: a person presses the button a few times, a loop is stopped.
pub const MAX_WAITING_TESTS: usize = 16;

/// Shortest admin key that configuration may set. Keys are hashed fast, not stretched, so they must be random and long.
pub const MIN_ADMIN_KEY: usize = 24;

/// Keys at a time: each is looked at when one is listed or deleted. More callers than that share keys.
pub const MAX_KEYS: usize = 1000;

/// Accounts, policies, types or actions that one key names. All of them is `*`.
pub const MAX_SCOPE: usize = 256;

/// Longest bearer token that is looked at.
pub const MAX_TOKEN: usize = 512;

/// How long the store is taken to be as ready as it was: `/readyz` is open to all, and asking the writer costs a flush.
pub const READY_KEPT: Duration = Duration::from_secs(1);

/// Exports at a time: a backup, and somebody who copies a range. Each reads as fast as its client takes.
pub const MAX_EXPORTS: usize = 4;

/// Events or rows of one piece of an export.
pub const EXPORT_BATCH: usize = 1024;

/// How often long work says how far it is: often enough for a person, and for a client that gives up on silence.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(1);
