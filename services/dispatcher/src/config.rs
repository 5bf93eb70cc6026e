//! What the dispatcher is told at its start.

use std::time::Duration;

use change_engine::delivery::{Limits, Patience, Schedule};
use event_model::Spans;
use ipnet::IpNet;

use crate::{courier::Kept, guard::Resolver};

/// Attempts at once to one subscription: enough to hide a receiver's latency, few enough that a kill repeats little.
const MAX_IN_FLIGHT: usize = 32;
/// Wanted events above the cursor of one subscription: what is read ahead, and what a kill may repeat.
const MAX_WINDOW: usize = 256;
/// Failed and waiting deliveries recorded for one subscription; beyond it its cursor stands. Some 5 MB at the most.
const MAX_PENDING: usize = 10_000;
/// Connections at once to all subscribers: below the 1,024 open files that a process commonly may have.
const MAX_CONNECTIONS: usize = 512;

/// How deliveries are made.
#[derive(Clone, Debug)]
pub struct DispatcherConfig {
    /// One deadline over connecting, TLS, headers and body of an attempt.
    pub timeout: Duration,
    /// Whether plain http targets are allowed.
    pub allow_http: bool,
    /// Networks that targets may be in though they are private, loopback or otherwise special.
    pub allow_cidrs: Vec<IpNet>,
    /// What turns names into addresses.
    pub resolver: Resolver,
    /// This program's version, for `user-agent`.
    pub version: String,
    /// When a failed delivery is tried again.
    pub schedule: Schedule,
    /// How long a failing endpoint is borne with.
    pub patience: Patience,
    /// How much is kept, for people, of what failed.
    pub kept: Kept,
    /// How much one subscription may hold.
    pub limits: Limits,
    /// Attempts at once to all subscribers.
    pub max_connections: usize,
    /// Where the spans of attempts go.
    pub spans: Spans,
}

impl Default for DispatcherConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            allow_http: false,
            allow_cidrs: Vec::new(),
            resolver: Resolver::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schedule: Schedule::default(),
            patience: Patience::default(),
            kept: Kept::default(),
            limits: Limits { in_flight: MAX_IN_FLIGHT, window: MAX_WINDOW, pending: MAX_PENDING },
            max_connections: MAX_CONNECTIONS,
            spans: Spans::default(),
        }
    }
}
