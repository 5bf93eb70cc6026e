//! Every way that is known to us of making a service call its own network, tried against the guard and then against real
//! delivery. A trap listens on loopback; nothing may ever reach it.
//!
//! Each evasion is refused by the first layer that can: **URL** (it does not parse, or its scheme, port or user information
//! is refused), **literal** (its host is an address, in whatever spelling), **resolver** (its name has an address that is
//! refused, too many of them or none), **connect** (nothing was wrong when it was registered, and the delivery goes nowhere
//! all the same). What an earlier layer refuses is then stored as if it had not, and delivered: the later ones hold too.

mod table;

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, extract::State, response::Response};
use dispatcher::guard::{Guard, Lookup, Refusal, Resolver};
use event_model::{
    SubscriptionId,
    delivery::{Outcome, PendingDelivery},
};
use futures_util::future::BoxFuture;
use http::Uri;
use tokio::net::TcpListener;
use url::Url;

use self::table::{BLOCKS, LITERALS, LOCATIONS, NOT_PARSED, REDIRECTS, ZONE};
use crate::world::World;

/// A chain of names longer than this is followed by no resolver.
const MAX_CHAIN: usize = 16;

/// A resolver that knows the names of the table, and an address by a name that is made of it.
#[derive(Clone, Default)]
struct Zone {
    asked: Arc<AtomicUsize>,
}

impl Lookup for Zone {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        // Rebinding: what is registered is public, what is connected to is not.
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match name.as_str() {
                "rebinding.example" if nth == 0 => Ok(vec![ip("93.184.215.14")]),
                "rebinding.example" => Ok(vec![ip("127.0.0.1")]),
                "rebinding-mixed.example" if nth == 0 => Ok(vec![ip("93.184.215.14")]),
                "rebinding-mixed.example" => Ok(vec![ip("93.184.215.14"), ip("127.0.0.1")]),
                "rebinding-many.example" if nth == 0 => Ok(vec![ip("93.184.215.14")]),
                "rebinding-many.example" => Ok(publics(4_000).chain([ip("127.0.0.1")]).collect()),
                _ => resolved(&name),
            }
        })
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn publics(count: u32) -> impl Iterator<Item = IpAddr> {
    (0..count).map(|n| std::net::Ipv4Addr::from(0x0800_0000 + n).into())
}

fn resolved(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut name = name.to_owned();
    for _ in 0..MAX_CHAIN {
        if let Some(block) = name.strip_prefix("block-").and_then(|rest| rest.strip_suffix(".example")) {
            return Ok(vec![ip(BLOCKS[block.parse::<usize>().expect("a number")].1)]);
        }
        let Some((_, records)) = ZONE.iter().find(|(known, _)| *known == name) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match records.strip_prefix("-> ") {
            Some(next) => name = next.to_owned(),
            None => {
                let addresses = records.split_whitespace().flat_map(|record| match record {
                    "SIXTY" => publics(60).collect(),
                    "SIXTYFIVE" => publics(65).collect(),
                    "THOUSANDS" => publics(4_000).collect(),
                    address => vec![ip(address)],
                });
                return Ok(addresses.collect());
            }
        }
    }
    Err(io::Error::other("a loop of names"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Url,
    Literal,
    Resolver,
    Connect,
}

/// Who refuses `text` at registration; none if it would be taken.
async fn refused_by(guard: &Guard, text: &str) -> Option<(Layer, String)> {
    let Ok(url) = Url::parse(text) else { return Some((Layer::Url, "is no URL".to_owned())) };
    let of_url = match guard.check_url(&url) {
        Err(refusal @ Refusal::Address { .. }) => Some((Layer::Literal, refusal.to_string())),
        Err(refusal) => Some((Layer::Url, refusal.to_string())),
        Ok(()) => None,
    };
    match of_url {
        Some(found) => Some(found),
        None => guard.check(&url).await.err().map(|refusal| (Layer::Resolver, refusal.to_string())),
    }
}

/// What listens where nothing may come. It answers as its path says, so that it serves the redirects too.
struct Trap {
    port: u16,
    reached: Arc<AtomicUsize>,
}

impl Trap {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (port, reached) = (listener.local_addr().expect("address").port(), Arc::<AtomicUsize>::default());
        let app = Router::new().fallback(redirect).with_state((port, Arc::clone(&reached)));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, reached }
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    fn filled_in(&self, text: &str) -> String {
        text.replace("PORT", &self.port.to_string()).replace("TRAP", &format!("127.0.0.1:{}", self.port))
    }
}

/// `/redirect/<status>/<number of a location>` redirects; every other path was never to be asked for.
async fn redirect(State((port, reached)): State<(u16, Arc<AtomicUsize>)>, uri: Uri) -> Response {
    let steps: Vec<_> = uri.path().split('/').skip(1).collect();
    let ["redirect", status, location] = steps[..] else {
        reached.fetch_add(1, Ordering::SeqCst);
        return Response::new("trapped".into());
    };
    let location = LOCATIONS[location.parse::<usize>().expect("a number")];
    let location = location.replace("PORT", &port.to_string()).replace("TRAP", &format!("127.0.0.1:{port}"));
    let response = Response::builder().status(status.parse::<u16>().expect("a status"));
    response
        .header("location", &location)
        .header("refresh", format!("0; url={location}"))
        .body("".into())
        .expect("response")
}

/// How the first attempt to each of `urls` ended, stored without being checked.
async fn delivered(urls: &[Url], configure: impl FnOnce(&mut World)) -> Vec<Outcome> {
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::default();
    world.config.allow_cidrs.clear();
    world.config.resolver = Resolver::new(Zone::default());
    configure(&mut world);
    world.append(&["a"]).await;
    for (number, url) in urls.iter().enumerate() {
        world.put(world.subscription(&number.to_string(), url)).await;
    }
    world.start();
    let tried = |pending: &[PendingDelivery]| pending.iter().all(|one| one.attempts > 0);
    let pending = world.pending_until(|pending| pending.len() == urls.len() && tried(pending)).await;
    world.stop().await;
    let mut by_id: HashMap<_, _> =
        pending.into_iter().map(|one| (one.subscription, one.history[0].outcome.clone())).collect();
    let id = |number: usize| SubscriptionId::from_unique(&number.to_string()).expect("id");
    (0..urls.len()).map(|number| by_id.remove(&id(number)).expect("an outcome")).collect()
}

/// What is tried before anything is registered, and who must refuse it.
fn before_registration(trap: &Trap) -> Vec<(Layer, String)> {
    let port = trap.port;
    let host = |address: &str| if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let not_parsed = NOT_PARSED.iter().map(|text| (Layer::Url, trap.filled_in(text)));
    let literals = LITERALS.iter().map(|host| (Layer::Literal, format!("http://{host}:{port}/")));
    let blocks = BLOCKS.iter().map(|(_, within, _)| (Layer::Literal, format!("http://{}:{port}/", host(within))));
    let named = (0..BLOCKS.len()).map(|n| (Layer::Resolver, format!("http://block-{n}.example:{port}/")));
    let bad_names = ZONE.iter().filter(|(name, _)| *name != "public.example");
    let names = bad_names.map(|(name, _)| (Layer::Resolver, format!("http://{name}:{port}/")));
    let spelt = ["LOCALHOST", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "loc\u{ad}alhost", "%6cocalhost", "BÜCHER.example"];
    let spelt = spelt.map(|name| (Layer::Resolver, format!("http://{name}:{port}/")));
    let odd = [
        (Layer::Literal, format!("http:\\\\127.0.0.1:{port}\\")),
        (Layer::Literal, format!("http:127.0.0.1:{port}/")),
        (Layer::Literal, format!("http:////127.0.0.1:{port}/")),
        (Layer::Literal, format!("  http://127.0.0.1:{port}/")),
        (Layer::Literal, format!("http://127.0.0.1:{port}#@public.example/")),
        (Layer::Literal, format!("http://127.0.0.1:{port}?@public.example/")),
        (Layer::Literal, format!("http://127.0.0.1:{port}\\@public.example/")),
        (Layer::Url, format!("http://public.example%23@127.0.0.1:{port}/")),
    ];
    not_parsed.chain(literals).chain(blocks).chain(named).chain(names).chain(spelt).chain(odd).collect()
}

#[tokio::test]
async fn no_evasion_is_taken_or_reaches_the_trap() {
    let trap = Trap::set().await;
    let guard = Guard::with_resolver(true, Vec::new(), Resolver::new(Zone::default()));
    let mut refused: BTreeMap<Layer, usize> = BTreeMap::new();
    let mut stored = Vec::new();
    let tried = before_registration(&trap);
    for (layer, text) in &tried {
        let (by, why) = refused_by(&guard, text).await.unwrap_or_else(|| panic!("{text:?} was taken"));
        assert_eq!(by, *layer, "{text:?}: {why}");
        *refused.entry(by).or_default() += 1;
        stored.extend(Url::parse(text).ok());
    }
    for (url, outcome) in stored.iter().zip(delivered(&stored, |_| {}).await) {
        assert!(matches!(outcome, Outcome::Blocked { .. } | Outcome::Dns), "{url} was delivered to: {outcome:?}");
    }
    let by_connection = rebound(&trap).await + redirected(&trap).await;
    *refused.entry(Layer::Connect).or_default() += by_connection;
    assert_eq!(trap.reached(), 0, "the trap was reached");
    let tried = tried.len() + by_connection;
    assert_eq!(refused.values().sum::<usize>(), tried);
    let by = |layer| refused[&layer];
    let told = format!(
        "evasions: {tried} tried, {tried} refused: URL {}, literal host {}, resolver {}, connect {}; \
         {} of them delivered all the same, none arrived",
        by(Layer::Url),
        by(Layer::Literal),
        by(Layer::Resolver),
        by(Layer::Connect),
        stored.len(),
    );
    writeln!(io::stderr(), "{told}").expect("standard error is open");
    assert!(tried >= 80);
}

/// Names that were good when they were registered and are not when they are connected to; how many were tried.
async fn rebound(trap: &Trap) -> usize {
    let names = ["rebinding.example", "rebinding-mixed.example", "rebinding-many.example"];
    for name in names {
        let url: Url = format!("http://{name}:{}/", trap.port).parse().expect("url");
        let zone = Zone::default();
        let guard = Guard::with_resolver(true, Vec::new(), Resolver::new(zone.clone()));
        assert!(guard.check(&url).await.is_ok(), "{name} is good when it is registered");
        let outcome = delivered(&[url], |world| world.config.resolver = Resolver::new(zone)).await.remove(0);
        assert!(matches!(outcome, Outcome::Blocked { .. }), "{name}: {outcome:?}");
    }
    names.len()
}

/// Answers of an endpoint that may be delivered to, which point where nothing may go; how many were tried.
async fn redirected(trap: &Trap) -> usize {
    let base = format!("http://127.0.0.1:{}", trap.port);
    let paths =
        REDIRECTS.iter().flat_map(|status| (0..LOCATIONS.len()).map(move |at| format!("/redirect/{status}/{at}")));
    let urls: Vec<Url> = paths.map(|path| format!("{base}{path}").parse().expect("url")).collect();
    // Even where the whole of loopback is allowed: a redirect is never followed.
    let allowed = |world: &mut World| world.config.allow_cidrs = vec!["127.0.0.0/8".parse().expect("net")];
    for (url, outcome) in urls.iter().zip(delivered(&urls, allowed).await) {
        assert!(matches!(outcome, Outcome::Status { status: 300..=399 }), "{url}: {outcome:?}");
    }
    urls.len()
}

#[tokio::test]
async fn the_neighbours_of_every_range_and_a_public_name_stay_free() {
    let guard = Guard::with_resolver(false, Vec::new(), Resolver::new(Zone::default()));
    for (block, _, free) in BLOCKS.iter().filter(|(_, _, free)| !free.is_empty()) {
        let host = if free.contains(':') { format!("[{free}]") } else { (*free).to_owned() };
        assert_eq!(refused_by(&guard, &format!("https://{host}/")).await, None, "{free} is beside {block}");
    }
    assert_eq!(refused_by(&guard, "https://public.example:8443/hook?x=1").await, None);
}

const CHILD: &str = "EXPENSEWIRE_TEST_PROXY_TARGET";

/// The environment belongs to the process, so a process of its own is started: this test program, told to run
/// [`delivers_in_the_environment_it_is_given`] alone.
#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    let (proxy, target) = (Trap::set().await, Trap::set().await);
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "evasions::delivers_in_the_environment_it_is_given", "--ignored", "--nocapture"]);
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    child.envs(variables.map(|name| (name, format!("http://127.0.0.1:{}", proxy.port))));
    child.env("NO_PROXY", "").env("no_proxy", "").env_remove("REQUEST_METHOD");
    let output = child.env(CHILD, target.port.to_string()).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((proxy.reached(), target.reached()), (0, 1), "the target was asked, and no proxy");
}

#[tokio::test]
#[ignore = "run by proxies_of_the_environment_are_not_used, in an environment of its own"]
async fn delivers_in_the_environment_it_is_given() {
    let port = std::env::var(CHILD).expect("the port of the target");
    let mut world = World::new();
    world.append(&["a"]).await;
    let id = world.subscribe(&format!("http://127.0.0.1:{port}/").parse().expect("url")).await;
    world.start();
    world.cursor_until(&id, 1).await;
    // The TLS of another one fails at the trap's doorstep, by a direct connection too.
    let over_tls: [Url; 1] = [format!("https://127.0.0.1:{port}/").parse().expect("url")];
    let allowed = |world: &mut World| world.config.allow_cidrs = vec!["127.0.0.0/8".parse().expect("net")];
    assert_eq!(delivered(&over_tls, allowed).await, [Outcome::Tls]);
}

#[tokio::test]
async fn a_refusal_is_told_to_who_registers_and_stands_in_the_attempt_alone() {
    let text = "http://good-then-bad.example/";
    let guard = Guard::with_resolver(true, Vec::new(), Resolver::new(Zone::default()));
    let (_, told) = refused_by(&guard, text).await.expect("refused");
    assert!(["good-then-bad.example", "127.0.0.1", "loopback"].iter().all(|word| told.contains(word)), "{told}");

    let mut world = World::new();
    world.config.allow_cidrs.clear();
    world.config.schedule = dispatcher::Schedule::of(vec![]);
    world.config.resolver = Resolver::new(Zone::default());
    world.append(&["a"]).await;
    let id = world.subscribe(&text.parse().expect("url")).await;
    world.start();
    let exhausted = world.event_until(event_model::EventType::SubscriptionExhausted).await;
    let metrics = world.metrics();
    let pending = world.pending_until(|pending| pending.iter().any(crate::world::is_dead)).await;
    world.stop().await;
    let Outcome::Blocked { why } = &pending[0].history[0].outcome else { panic!("{:?}", pending[0]) };
    assert_eq!((why, &pending[0].subscription), (&told, &id));
    let event = serde_json::to_string(&exhausted).expect("json");
    for public in [event, metrics] {
        assert!(!public.contains("127.0.0.1") && !public.contains("loopback"), "{public}");
    }
}
