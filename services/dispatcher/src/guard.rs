//! Where deliveries may go.
//!
//! A subscriber names a URL; without a guard it could make this service call whatever the service can reach: its own
//! administration, a cloud's metadata, a neighbour behind the firewall. Two checks hold together. [`Guard::check_url`]
//! looks at the URL itself: scheme, user information, port, and an address written as host in any spelling (the `url`
//! crate has turned decimal, octal, hex and short forms into an address by then; a resolver never sees them). The
//! guard's resolver looks at every address that a name has, at the moment of connecting; the addresses it passes are
//! the ones connected to, so a name that changes between check and connection gains nothing. One bad address refuses
//! the name. The client that uses it follows no redirects and no proxy.
//!
//! A [`Refusal`] names the host, the address and its range. It is for whoever registers the target: it goes into the answer
//! to that request and into the attempts of that subscription, never into a log, a metric or an event.

pub mod ranges;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use ipnet::IpNet;
use tokio::time::timeout;
use url::{Host, Url};

use self::ranges::{carried, special_range};

/// Most addresses that a name may have: the largest services answer with some dozens.
const MAX_ADDRESSES: usize = 64;
/// How long a name may take to resolve: twice what resolvers wait for one server. A slow one keeps no registration waiting.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(10);

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
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip());
            // One more than may be, so that too many are seen to be too many.
            Ok(found.take(MAX_ADDRESSES + 1).collect())
        })
    }
}

/// What turns names into addresses: the system, unless told otherwise. Clones share it.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Lookup>);

impl Resolver {
    /// Names are turned into addresses by `lookup`.
    pub fn new(lookup: impl Lookup) -> Self {
        Self(Arc::new(lookup))
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(SystemLookup)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resolver").finish_non_exhaustive()
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

/// Addresses that were let through, of port 0, which stands for the port of the URL.
pub(crate) type CheckedAddresses = std::vec::IntoIter<SocketAddr>;

/// Decides where deliveries may go; also the resolver of the client that sends them. Clones share everything.
#[derive(Clone)]
pub struct Guard {
    allow_http: bool,
    allow_cidrs: Arc<[IpNet]>,
    resolver: Resolver,
}

impl Guard {
    /// A guard that allows https, plain http only when `allow_http`, to public addresses and those of `allow_cidrs`.
    pub fn new(allow_http: bool, allow_cidrs: Vec<IpNet>) -> Self {
        Self::with_resolver(allow_http, allow_cidrs, Resolver::default())
    }

    /// The same with another resolver.
    pub fn with_resolver(allow_http: bool, allow_cidrs: Vec<IpNet>, resolver: Resolver) -> Self {
        Self { allow_http, allow_cidrs: allow_cidrs.into(), resolver }
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

    /// An address that carries another one, in a range that the operator allows, is judged by what it carries too: whoever
    /// lets NAT64 through has not let the neighbours through that NAT64 would reach.
    fn allows(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        if let Some(range) = special_range(address)
            && !self.allow_cidrs.iter().any(|net| net.contains(&address))
        {
            return Err(Refusal::Address { host: host.to_owned(), address, range });
        }
        carried(address).into_iter().try_for_each(|inner| self.allows(host, inner.into()))
    }

    /// Every address of `host`, all of them allowed: what is connected to.
    pub(crate) async fn addresses(&self, host: &str) -> Result<CheckedAddresses, Refusal> {
        let addresses = self.resolve_checked(host).await?;
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter())
    }

    async fn resolve_checked(&self, host: &str) -> Result<Vec<IpAddr>, Refusal> {
        let unresolved = |source| Refusal::Unresolved { host: host.to_owned(), source };
        let found = timeout(LOOKUP_DEADLINE, self.resolver.0.lookup(host.to_owned())).await;
        let found = found.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
        let addresses = found.map_err(|source| unresolved(Some(source)))?;
        if addresses.is_empty() {
            return Err(unresolved(None));
        }
        if addresses.len() > MAX_ADDRESSES {
            return Err(Refusal::TooManyAddresses { host: host.to_owned() });
        }
        addresses.iter().try_for_each(|address| self.allows(host, *address))?;
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests;
