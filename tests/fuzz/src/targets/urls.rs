//! URLs of webhooks.

use dispatcher::guard::{Guard, ranges::special_range};
use url::{Host, Url};

/// No URL gets past the guard by the spelling of an address inside.
pub fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = Url::parse(text) else { return };
    let guard = Guard::new(false, Vec::new());
    if let Err(refused) = guard.check_url(&url) {
        drop(refused.to_string());
        return;
    }
    assert_eq!(url.scheme(), "https", "{url}");
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) => None,
        None => panic!("{url} has no host"),
    };
    if let Some(address) = address {
        assert_eq!(special_range(address), None, "{url} is inside");
    }
}
