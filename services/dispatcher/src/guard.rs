//! Where deliveries may go.
//!
//! A subscriber names a URL; without a guard it could make this service call whatever the service can reach: its own
//! administration, a cloud's metadata, a neighbour behind the firewall. Two checks hold together. [`Guard::check_url`]
//! looks at the URL itself: scheme, user information, port, and an address written as host in any spelling (the `url`
//! crate has turned decimal, octal, hex and short forms into an address by then; a resolver never sees them). The
//! guard's resolver looks at every address that a name has, at the moment of connecting; the addresses it passes are
//! the ones connected to, so a name that changes between check and connection gains nothing. One bad address refuses
//! the name. The client that uses it follows no redirects and no proxy.

pub mod ranges;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use self::ranges::special_range;

/// Most addresses that a name may have: the largest services answer with some dozens.
const MAX_ADDRESSES: usize = 64;

/// Turns a host name into addresses.
pub trait Lookup: Send + Sync + 'static {
    /// Every address of `name`.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Why a target is refused. The text is for whoever registers the target.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not https, or no scheme of the web at all.
    #[error("the scheme {0:?} is not allowed: https is wanted")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("the URL carries a user name or password; use a header of the subscription instead")]
    UserInfo,
    /// No host.
    #[error("the URL has no host")]
    NoHost,
    /// Port 0.
    #[error("port 0 cannot be connected to")]
    Port,
    /// An address in a range that is not allowed.
    #[error("{host} is refused: {address} is in a range that is not allowed: {range}")]
    Address {
        /// The host of the URL.
        host: String,
        /// The address that it is, or resolves to.
        address: IpAddr,
        /// The range.
        range: &'static str,
    },
    /// More addresses than any honest name has.
    #[error("{host} is refused: it has more than {MAX_ADDRESSES} addresses")]
    TooManyAddresses {
        /// The host of the URL.
        host: String,
    },
    /// The name has no address.
    #[error("{host} does not resolve")]
    Unresolved {
        /// The host of the URL.
        host: String,
        /// What the resolver said; none when it answered with nothing.
        #[source]
        source: Option<io::Error>,
    },
}

/// Decides where deliveries may go; also the resolver of the client that sends them. Clones share everything.
#[derive(Clone)]
pub struct Guard {
    allow_http: bool,
    allow_cidrs: Arc<[IpNet]>,
    lookup: Arc<dyn Lookup>,
}

impl Guard {
    /// A guard that allows https, plain http only when `allow_http`, to public addresses and those of `allow_cidrs`.
    pub fn new(allow_http: bool, allow_cidrs: Vec<IpNet>) -> Self {
        Self::with_lookup(allow_http, allow_cidrs, Arc::new(SystemLookup))
    }

    /// The same with another resolver.
    pub fn with_lookup(allow_http: bool, allow_cidrs: Vec<IpNet>, lookup: Arc<dyn Lookup>) -> Self {
        Self { allow_http, allow_cidrs: allow_cidrs.into(), lookup }
    }

    /// Checks a target whole, resolving its name: what registering asks for. Sending checks again.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub async fn check(&self, url: &Url) -> Result<(), Refusal> {
        self.check_url(url)?;
        match url.domain() {
            Some(domain) => self.resolve_checked(domain).await.map(drop),
            None => Ok(()),
        }
    }

    /// Checks what can be told from the URL alone, an address as host included.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        let allowed = url.scheme() == "https" || (url.scheme() == "http" && self.allow_http);
        if !allowed {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        if url.port() == Some(0) {
            return Err(Refusal::Port);
        }
        match url.host().ok_or(Refusal::NoHost)? {
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.check_address(url, address.into()),
            Host::Ipv6(address) => self.check_address(url, address.into()),
        }
    }

    fn check_address(&self, url: &Url, address: IpAddr) -> Result<(), Refusal> {
        self.allows(url.host_str().unwrap_or_default(), address)
    }

    fn allows(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        match special_range(address) {
            Some(range) if !self.allow_cidrs.iter().any(|net| net.contains(&address)) => {
                Err(Refusal::Address { host: host.to_owned(), address, range })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Every address of `host`, all of them allowed.
    async fn resolve_checked(&self, host: &str) -> Result<Vec<IpAddr>, Refusal> {
        let unresolved = |source| Refusal::Unresolved { host: host.to_owned(), source };
        let addresses = self.lookup.lookup(host.to_owned()).await.map_err(|source| unresolved(Some(source)))?;
        if addresses.is_empty() {
            return Err(unresolved(None));
        }
        if addresses.len() > MAX_ADDRESSES {
            return Err(Refusal::TooManyAddresses { host: host.to_owned() });
        }
        for address in &addresses {
            self.allows(host, *address)?;
        }
        Ok(addresses)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.resolve_checked(name.as_str()).await?;
            // Port 0 stands for the port of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<IpAddr>);

    impl Lookup for Fixed {
        fn lookup(&self, _name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(addresses) })
        }
    }

    fn guard(addresses: &[&str]) -> Guard {
        let addresses = addresses.iter().map(|a| a.parse().expect(a)).collect();
        Guard::with_lookup(false, vec!["10.1.0.0/16".parse().expect("net")], Arc::new(Fixed(addresses)))
    }

    async fn check(guard: &Guard, url: &str) -> Result<(), String> {
        guard.check(&url.parse().expect(url)).await.map_err(|refusal| refusal.to_string())
    }

    #[tokio::test]
    async fn a_public_name_over_https_passes() {
        assert_eq!(check(&guard(&["8.8.8.8", "2606:4700::1111"]), "https://a.example/hook").await, Ok(()));
    }

    #[tokio::test]
    async fn one_bad_address_refuses_the_name_and_the_refusal_says_which() {
        let refusal = check(&guard(&["8.8.8.8", "192.168.1.7"]), "https://a.example/").await.expect_err("refused");
        assert!(refusal.contains("192.168.1.7") && refusal.contains("private"), "{refusal}");
    }

    #[tokio::test]
    async fn an_allowed_network_passes_and_its_neighbour_does_not() {
        assert_eq!(check(&guard(&["10.1.2.3"]), "https://a.example/").await, Ok(()));
        assert!(check(&guard(&["10.2.2.3"]), "https://a.example/").await.is_err());
        assert_eq!(check(&guard(&[]), "https://10.1.2.3/").await, Ok(()));
    }

    #[tokio::test]
    async fn a_name_without_or_with_too_many_addresses_is_refused() {
        assert!(check(&guard(&[]), "https://a.example/").await.is_err_and(|why| why.contains("resolve")));
        let many = vec!["8.8.8.8"; MAX_ADDRESSES + 1];
        assert!(check(&guard(&many), "https://a.example/").await.is_err_and(|why| why.contains("more than")));
    }

    #[tokio::test]
    async fn addresses_as_hosts_are_checked_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0",
            "0x7f000001",
            "127.0.0.1.",
            "１２７.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "169.254.169.254",
        ] {
            let refusal = check(&guard(&["8.8.8.8"]), &format!("https://{host}/")).await.expect_err(host);
            assert!(refusal.contains("range"), "{host}: {refusal}");
        }
    }

    #[tokio::test]
    async fn schemes_user_information_and_port_0_are_refused() {
        let guard = guard(&["8.8.8.8"]);
        for (url, word) in [
            ("http://a.example/", "scheme"),
            ("ftp://a.example/", "scheme"),
            ("file:///etc/passwd", "scheme"),
            ("https://u@a.example/", "user name"),
            ("https://:p@a.example/", "password"),
            ("https://a.example:0/", "port 0"),
        ] {
            assert!(check(&guard, url).await.is_err_and(|why| why.contains(word)), "{url}");
        }
        assert_eq!(check(&Guard { allow_http: true, ..guard }, "http://a.example/").await, Ok(()));
    }
}
