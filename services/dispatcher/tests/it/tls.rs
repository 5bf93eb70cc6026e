//! Delivery over TLS: to those whom an authority of this machine vouches for by the name that is asked for, and to nobody
//! else.
//!
//! Which authorities those are is the machine's affair (on Linux `SSL_CERT_FILE` says it), so a process of its own is
//! started: this test program, told to run [`delivers_to_whom_the_given_authority_vouches_for`] alone.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use dispatcher::guard::{Lookup, Resolver};
use event_model::delivery::Outcome;
use futures_util::future::BoxFuture;
use http::{Request, Response, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{ServerConfig, crypto::ring};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{targets::outcome, world::World};

const NAME: &str = "hooks.example";
const CHILD: &str = "EXPENSEWIRE_TEST_TLS_PORTS";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn found() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What a server that is [`NAME`] until the end of this year shows.
    fn vouch_until(&self, year: i32) -> ServerConfig {
        let mut params = CertificateParams::new([NAME.to_owned()]).expect("a name");
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let key = key.serialize_der().try_into().expect("a key");
        config.with_single_cert(vec![certificate.der().clone()], key).expect("they fit")
    }
}

/// For each connection whose handshake succeeded the name that it was opened for, and the hosts that were asked for.
type Visits = Arc<Mutex<Vec<(Option<String>, Vec<String>)>>>;

/// Serves with `config`; its port, and who came.
async fn serve(config: ServerConfig) -> (u16, Visits) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (port, visits) = (listener.local_addr().expect("address").port(), Visits::default());
    let (acceptor, known) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&visits));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(visit(acceptor.clone(), stream, Arc::clone(&known)));
        }
    });
    (port, visits)
}

async fn visit(acceptor: TlsAcceptor, stream: TcpStream, visits: Visits) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let number = {
        let mut visits = visits.lock().expect("lock");
        visits.push((stream.get_ref().1.server_name().map(str::to_owned), Vec::new()));
        visits.len() - 1
    };
    let answer = |request: Request<Incoming>| {
        let host = request.headers()[HOST].to_str().expect("text").to_owned();
        visits.lock().expect("lock")[number].1.push(host);
        async {
            request.into_body().collect().await.expect("a body");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    };
    // It ends with the connection, in order or not.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_delivery_goes_over_tls_to_whom_an_authority_of_the_machine_vouches_for_and_to_nobody_else() {
    let (known, stranger) = (Authority::found(), Authority::found());
    let (good, visits) = serve(known.vouch_until(2999)).await;
    let (expired, came_late) = serve(known.vouch_until(2001)).await;
    let (unknown, never_came) = serve(stranger.vouch_until(2999)).await;
    let directory = tempfile::tempdir().expect("directory");
    let authorities = directory.path().join("authorities.pem");
    std::fs::write(&authorities, &known.pem).expect("written");

    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "tls::delivers_to_whom_the_given_authority_vouches_for", "--ignored", "--nocapture"]);
    child.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR");
    let output = child.env(CHILD, format!("{good} {expired} {unknown}")).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let visits = std::mem::take(&mut *visits.lock().expect("lock"));
    let host = format!("{NAME}:{good}");
    assert_eq!(visits, [(Some(NAME.to_owned()), vec![host.clone(), host])], "two deliveries over one connection");
    for visits in [came_late, never_came] {
        assert!(visits.lock().expect("lock").is_empty(), "nothing was sent");
    }
}

/// Every name is this machine.
struct Here;

impl Lookup for Here {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) })
    }
}

#[tokio::test]
#[ignore = "run by the test above, with an authority of its own"]
async fn delivers_to_whom_the_given_authority_vouches_for() {
    let ports = std::env::var(CHILD).expect("the ports");
    let [good, expired, unknown] = ports.split(' ').collect::<Vec<_>>()[..] else { panic!("{ports}") };
    let configure = |world: &mut World| {
        world.config.allow_http = false;
        world.config.resolver = Resolver::new(Here);
    };
    let mut world = World::new();
    configure(&mut world);
    let id = world.subscribe(&format!("https://{NAME}:{good}/hook").parse().expect("url")).await;
    world.start();
    for cursor in 1..=2 {
        world.append(&["a"]).await;
        world.cursor_until(&id, cursor).await;
    }
    world.stop().await;
    assert!(world.records().await.is_empty(), "each arrived at once");
    let (misnamed, by_address) = (format!("https://other.example:{good}/"), format!("https://127.0.0.1:{good}/"));
    let (expired, unknown) = (format!("https://{NAME}:{expired}/"), format!("https://{NAME}:{unknown}/"));
    for url in [misnamed, by_address, expired, unknown] {
        assert_eq!(outcome(&url, configure).await, Outcome::Tls, "{url}");
    }
}
