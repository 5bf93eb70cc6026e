//! How often one address may fail to sign in.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::config::{FAILURES_KEPT, MAX_ADDRESSES, MAX_FAILURES};

/// The failures of each address, counted from the first for [`FAILURES_KEPT`].
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Attempts {
    /// Whether `remote` may try again.
    pub fn may_try(&self, remote: Option<IpAddr>, now: Instant) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stands =
            |address| all.get(&address).is_some_and(|one: &Failures| one.stands(now) && one.count >= MAX_FAILURES);
        let address = network(remote);
        // One that is not remembered by itself is counted with the others.
        !stands(address) && (all.contains_key(&address) || !stands(NOBODY))
    }

    /// Notes that `remote` failed.
    pub fn failed(&self, remote: Option<IpAddr>, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut address = network(remote);
        if all.len() >= MAX_ADDRESSES && !all.contains_key(&address) {
            all.retain(|_, one| one.stands(now));
            if all.len() >= MAX_ADDRESSES {
                address = NOBODY;
            }
        }
        let one = all.entry(address).or_insert(Failures { since: now, count: 0 });
        if !one.stands(now) {
            *one = Failures { since: now, count: 0 };
        }
        one.count = one.count.saturating_add(1);
    }
}

impl Failures {
    fn stands(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < FAILURES_KEPT
    }
}

/// Under which those are counted who are not remembered one by one.
const NOBODY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The network that one customer has, in version 6.
fn network(remote: Option<IpAddr>) -> IpAddr {
    match remote.map(|remote| remote.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Some(v4) => v4,
        None => NOBODY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn who_fails_too_often_waits_and_nobody_else_does() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..MAX_FAILURES {
            assert!(attempts.may_try(one, now));
            attempts.failed(one, now);
        }
        assert!(!attempts.may_try(one, now));
        assert!(attempts.may_try(other, now));
        assert!(attempts.may_try(one, now + FAILURES_KEPT));
    }

    #[test]
    fn more_addresses_than_are_remembered_share_one_count() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..u32::try_from(MAX_ADDRESSES).expect("few") {
            attempts.failed(Some(IpAddr::from(n.to_be_bytes())), now);
        }
        for n in 0..MAX_FAILURES {
            attempts.failed(address(&format!("203.0.113.{n}")), now);
        }
        assert!(attempts.0.lock().expect("lock").len() <= MAX_ADDRESSES + 1);
        assert!(!attempts.may_try(address("203.0.113.200"), now));
        assert!(attempts.may_try(Some(IpAddr::from([0, 0, 0, 9])), now), "one that is remembered by itself");
    }
}
