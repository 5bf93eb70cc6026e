//! How often a caller may ask.
//!
//! Each key has a bucket, and so has each remote address for requests without a valid key. A bucket holds a burst and fills at
//! an even rate (GCRA). Every answer to a key says how it stands, as draft-ietf-httpapi-ratelimit-headers-10 has it:
//! `RateLimit-Policy: "key";q=200;w=4` is a quota of 200 in 4 s, `RateLimit: "key";r=150;t=1` has 150 left and is full again
//! in 1 s. Of addresses a bounded number is remembered; beyond it all others share one bucket.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use event_model::KeyId;
use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::{InMemoryState, NotKeyed, keyed::HashMapStateStore},
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::keys::StoredKey;

/// Requests a second of a key that names no other rate: a busy application's, with room.
const KEY_RATE_PER_S: u32 = 50;
/// The same of a key that allows everything: the tools of the operator, who may set up thousands of subscriptions.
const ADMIN_RATE_PER_S: u32 = 500;
/// The highest rate that a key may be given: more is no limit.
pub(crate) const MAX_RATE_PER_S: u32 = 10_000;
/// A key's burst, in seconds of its rate: a page that loads, a list that is walked through.
const KEY_BURST_S: u32 = 4;
const ADMIN_BURST_S: u32 = 10;
/// Requests without a valid key from one address: what a program does that was configured wrongly.
const STRANGER_RATE_PER_S: u32 = 20;
const STRANGER_BURST_S: u32 = 5;
/// Addresses that are remembered; 100 bytes each.
const MAX_STRANGERS: usize = 10_000;
/// Refusals of one address that are written to the log one by one, a second; the rest are counted.
const LINES_PER_S: u32 = 10;
const LINES_BURST_S: u32 = 2;
/// Keys whose buckets are remembered: more than may be made.
const MAX_BUCKETS: usize = 2 * super::config::MAX_KEYS;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

type Told = StateInformationMiddleware;
type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, Told>;
type Addresses = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock, Told>;

/// The buckets of all callers.
pub(crate) struct Limits {
    keys: Mutex<HashMap<KeyId, Arc<Bucket>>>,
    strangers: Addresses,
    lines: Addresses,
}

/// How a bucket stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whose bucket: `key` or `address`.
    policy: &'static str,
    quota: u32,
    window_s: u64,
    remaining: u32,
    full_in_s: u64,
    /// Of a request that is refused: how long until one is not.
    pub wait_s: Option<u64>,
}

impl Limits {
    pub fn new() -> Self {
        let addresses = |rate, burst_s| RateLimiter::hashmap(quota(rate, burst_s)).with_middleware();
        Self {
            keys: Mutex::default(),
            strangers: addresses(STRANGER_RATE_PER_S, STRANGER_BURST_S),
            lines: addresses(LINES_PER_S, LINES_BURST_S),
        }
    }

    /// Counts a request of `key`; an error when it has had its share.
    pub fn of_key(&self, key: &StoredKey) -> Result<Standing, Standing> {
        let bucket = self.bucket(key);
        match bucket.check() {
            Ok(state) => Ok(Standing::after("key", &state)),
            Err(until) => Err(Standing::refused("key", &until, bucket.clock())),
        }
    }

    /// Counts a request from `remote` without a valid key.
    pub fn of_stranger(&self, remote: Option<IpAddr>) -> Result<(), Standing> {
        let checked = self.strangers.check_key(&remembered(&self.strangers, remote));
        checked.map(drop).map_err(|until| Standing::refused("address", &until, self.strangers.clock()))
    }

    /// Whether a refusal of a request from `remote` may have a line of its own in the log.
    pub fn may_be_lined(&self, remote: Option<IpAddr>) -> bool {
        self.lines.check_key(&remembered(&self.lines, remote)).is_ok()
    }

    fn bucket(&self, key: &StoredKey) -> Arc<Bucket> {
        let mut buckets = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS {
            // Keys that are gone are among them. Who is not has a full bucket again.
            buckets.clear();
        }
        let made = || Arc::new(RateLimiter::direct(quota_of(key)).with_middleware());
        Arc::clone(buckets.entry(key.id.clone()).or_insert_with(made))
    }
}

/// The requests a second that `key` may make.
pub(crate) fn rate_of(key: &StoredKey) -> u32 {
    let common = if key.grant.is_everything() { ADMIN_RATE_PER_S } else { KEY_RATE_PER_S };
    key.rate_per_s.unwrap_or(common)
}

fn quota_of(key: &StoredKey) -> Quota {
    let is_common_admin = key.rate_per_s.is_none() && key.grant.is_everything();
    quota(rate_of(key), if is_common_admin { ADMIN_BURST_S } else { KEY_BURST_S })
}

fn quota(rate_per_s: u32, burst_s: u32) -> Quota {
    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(rate_per_s)).allow_burst(at_least_one(rate_per_s.saturating_mul(burst_s)))
}

/// The address under which `remote` is remembered: the network that one customer has, in version 6; that of nobody when there
/// are too many.
fn remembered(addresses: &Addresses, remote: Option<IpAddr>) -> IpAddr {
    let nobody = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if addresses.len() >= MAX_STRANGERS {
        addresses.retain_recent();
        if addresses.len() >= MAX_STRANGERS {
            return nobody;
        }
    }
    match remote.map(|remote| remote.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Some(v4) => v4,
        None => nobody,
    }
}

impl Standing {
    fn after(policy: &'static str, state: &StateSnapshot) -> Self {
        Self::of(policy, state.quota(), state.remaining_burst_capacity(), None)
    }

    fn refused(policy: &'static str, until: &NotUntil<<DefaultClock as Clock>::Instant>, clock: &DefaultClock) -> Self {
        let wait = until.wait_time_from(clock.now());
        Self::of(policy, until.quota(), 0, Some(whole_seconds(wait).max(1)))
    }

    fn of(policy: &'static str, quota: Quota, remaining: u32, wait_s: Option<u64>) -> Self {
        let burst = quota.burst_size().get();
        Self {
            policy,
            quota: burst,
            window_s: whole_seconds(quota.burst_size_replenished_in()),
            remaining,
            full_in_s: whole_seconds(quota.replenish_interval().saturating_mul(burst - remaining.min(burst))),
            wait_s,
        }
    }

    /// Writes it into the head of an answer.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Self { policy, quota, window_s, remaining, full_in_s, .. } = self;
        let lines = [
            (POLICY, format!("\"{policy}\";q={quota};w={window_s}")),
            (STANDING, format!("\"{policy}\";r={remaining};t={full_in_s}")),
        ];
        for (name, line) in lines {
            // Names and numbers always go into a header.
            if let Ok(value) = HeaderValue::try_from(line) {
                headers.insert(name, value);
            }
        }
    }
}

/// Rounded up: who waits so long has waited long enough.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use event_model::Grant;
    use jiff::Timestamp;

    use super::*;
    use crate::keys::{Origin, new_id};

    fn key(rate_per_s: Option<u32>) -> StoredKey {
        StoredKey {
            id: new_id().expect("an id"),
            origin: Origin::Made,
            created_at: Timestamp::UNIX_EPOCH,
            grant: Grant::default(),
            description: None,
            expires_at: None,
            made_by: None,
            rate_per_s,
        }
    }

    #[test]
    fn a_key_has_its_burst_then_is_told_how_long_to_wait_and_others_are_not_concerned() {
        let limits = Limits::new();
        let (slow, other) = (key(Some(1)), key(None));
        for left in (0..4).rev() {
            let standing = limits.of_key(&slow).expect("within the burst");
            assert_eq!((standing.quota, standing.window_s, standing.remaining), (4, 4, left));
            assert_eq!(standing.full_in_s, u64::from(4 - left));
        }
        let refused = limits.of_key(&slow).expect_err("the burst is used up");
        assert_eq!((refused.remaining, refused.wait_s), (0, Some(1)));
        let mut headers = HeaderMap::new();
        refused.write(&mut headers);
        assert_eq!(headers[POLICY], "\"key\";q=4;w=4");
        assert_eq!(headers[STANDING], "\"key\";r=0;t=4");
        assert_eq!(limits.of_key(&other).expect("another key").remaining, 199);
    }

    #[test]
    fn addresses_are_told_apart_but_not_within_one_network_of_version_6() {
        let limits = Limits::new();
        let drained = |remote: &str| {
            let remote = Some(remote.parse().expect("an address"));
            (0..1000).take_while(|_| limits.of_stranger(remote).is_ok()).count()
        };
        assert!(drained("192.0.2.1") >= 100);
        assert!(drained("::ffff:192.0.2.1") < 10, "the same address in another spelling");
        assert!(drained("192.0.2.2") >= 100);
        assert!(drained("2001:db8::1") >= 100 && drained("2001:db8::2") < 10 && drained("2001:db8:0:1::1") >= 100);
    }

    #[test]
    fn so_many_addresses_are_remembered_and_no_more() {
        let limits = Limits::new();
        for n in 0..2 * u32::try_from(MAX_STRANGERS).expect("few") {
            let _ = limits.of_stranger(Some(IpAddr::V4(n.into())));
        }
        assert!(limits.strangers.len() <= MAX_STRANGERS + 1, "{}", limits.strangers.len());
    }
}
