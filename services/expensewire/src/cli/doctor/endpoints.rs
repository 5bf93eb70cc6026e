//! Each subscriber's address and certificate, as far as a delivery would meet them. Nothing is posted: a connection is
//! opened to an address that the guard allows, TLS is agreed upon, and it is closed.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dispatcher::guard::{Guard, Refusal};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;
use url::Url;

use super::{
    certificate,
    check::Check,
    patience::{Patience, TimeUp},
};
use crate::config::DeliveryConfig;

/// Endpoints that are looked at together.
const AT_ONCE: usize = 8;
/// For a connection to one of the addresses. All of it, the name and the handshake included, has the time of a delivery.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Who renews by machine does it 30 days before the end; at half of that it was forgotten.
const EXPIRY_WARN_S: i64 = 14 * 86_400;

const SEE: &str = "see whether the endpoint runs and a firewall lets this machine through";

/// A subscription that delivers.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub subscription: String,
    pub url: Url,
}

/// Checks each, in their order.
pub(super) async fn check(endpoints: Vec<Endpoint>, delivery: &DeliveryConfig, patience: Patience) -> Vec<Check> {
    if endpoints.is_empty() {
        return vec![Check::ok("subscriber", "no subscription is active")];
    }
    let guard = Guard::new(delivery.allow_http, delivery.allow_cidrs.clone());
    let one = |endpoint: Endpoint| {
        let guard = guard.clone();
        let within = delivery.timeout();
        async move {
            let looked = patience.wait(within, look(&guard, &endpoint.url, within)).await;
            looked.unwrap_or_else(|time_up| unseen(time_up, &endpoint.url)).about(&endpoint.subscription)
        }
    };
    stream::iter(endpoints).map(one).buffered(AT_ONCE).collect().await
}

/// One that did not answer, or was not asked.
fn unseen(time_up: TimeUp, url: &Url) -> Check {
    let mut check = time_up.check("subscriber");
    check.what = format!("{}: {}", url.host_str().unwrap_or_default(), check.what);
    match time_up {
        TimeUp::Silent { .. } => check.why("deliveries there time out").next(SEE),
        TimeUp::Over { .. } => check,
    }
}

async fn look(guard: &Guard, url: &Url, within: Duration) -> Check {
    // Whoever waits for the thread ends first, and says what it was.
    let until = Instant::now() + within + Duration::from_secs(1);
    let addresses = match guard.target(url).await {
        Ok(addresses) => addresses,
        Err(refusal) => return refused(&refusal),
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    if url.scheme() != "https" {
        return Check::ok("subscriber", format!("{host} resolves; http has no certificate"));
    }
    let shown = host.clone();
    match tokio::task::spawn_blocking(move || shake(&host, &addresses, until)).await {
        Ok(Ok(met)) => judged(&shown, &met, Timestamp::now()),
        Ok(Err(error)) => Check::fail("subscriber", format!("{shown} cannot be reached: {error}")).next(SEE),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn refused(refusal: &Refusal) -> Check {
    let check = Check::fail("subscriber", refusal.to_string());
    match refusal {
        Refusal::Unresolved { .. } => check.next("see the name in the DNS that this machine asks"),
        _ => check
            .why("deliveries there are blocked")
            .next("change the URL, or allow it by delivery.allow_http or delivery.allow_cidrs"),
    }
}

/// What a handshake showed.
struct Met {
    /// The end of the certificate of the endpoint itself.
    not_after: Option<Timestamp>,
    /// Why a delivery would not trust it.
    distrust: Option<TlsError>,
}

fn judged(host: &str, met: &Met, now: Timestamp) -> Check {
    let left_s = met.not_after.map(|end| end.duration_since(now).as_secs());
    let end = met.not_after.map_or_else(|| "at an unreadable time".to_owned(), |end| format!("on {end}"));
    let check = match (&met.distrust, left_s) {
        (_, Some(left_s)) if left_s <= 0 => Check::fail("subscriber", format!("the certificate of {host} ended {end}"))
            .why("deliveries fail")
            .next("its owner must renew it"),
        (Some(distrust), _) => {
            Check::fail("subscriber", format!("the certificate of {host} is not trusted: {distrust}"))
                .why("deliveries fail")
                .next("its owner must send the whole chain for this name, or this machine must know its authority")
        }
        (None, Some(left_s)) if left_s < EXPIRY_WARN_S => {
            Check::warn("subscriber", format!("the certificate of {host} ends {end}, in {} days", left_s / 86_400))
                .why("deliveries fail from then on")
                .next("its owner must renew it")
        }
        (None, _) => Check::ok("subscriber", format!("{host} resolves, and its certificate ends {end}")),
    };
    match left_s {
        #[expect(clippy::cast_precision_loss, reason = "seconds of years fit")]
        Some(left_s) => check.measure("certificate_left_seconds", left_s as f64),
        None => check,
    }
}

/// Agrees on TLS with the first address that answers.
fn shake(host: &str, addresses: &[SocketAddr], until: Instant) -> io::Result<Met> {
    let provider = Arc::new(ring::default_provider());
    let witness = Arc::new(Witness::new(&provider).map_err(io::Error::other)?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = Hurried { stream: connected(addresses, until)?, until };
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    connection.send_close_notify();
    // What the other side thinks of the end is of no account.
    let _ = connection.complete_io(&mut stream);
    witness.told().ok_or_else(|| io::Error::other("no certificate was shown"))
}

fn connected(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("it has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, left(until)?.min(CONNECT_TIMEOUT)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What is left of the time.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A connection on which nothing is waited for beyond `until`: who sends a byte now and then gains no time by it.
struct Hurried {
    stream: TcpStream,
    until: Instant,
}

impl Read for Hurried {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.until)?))?;
        self.stream.read(into)
    }
}

impl Write for Hurried {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.until)?))?;
        self.stream.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Sees the certificate, asks the verifier that deliveries ask what it thinks of it, and lets the handshake go on either way:
/// nothing is sent over the connection. One that is not trusted is so seen with its dates.
#[derive(Debug)]
struct Witness {
    verifier: Verifier,
    seen: Mutex<Option<(Option<Timestamp>, Option<TlsError>)>>,
}

impl Witness {
    fn new(provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        Ok(Self { verifier: Verifier::new(Arc::clone(provider))?, seen: Mutex::new(None) })
    }

    fn told(&self) -> Option<Met> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.map(|(not_after, distrust)| Met { not_after, distrust })
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verdict = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let seen = (certificate::not_after(end_entity), verdict.err());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::check::State, *};

    /// Who holds a thread of ours by a byte now and then holds it no longer than that.
    #[test]
    fn a_handshake_that_drips_ends_in_its_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The head of a record of 16 KiB, and then what takes four hours to fill it.
            let bytes = [0x16, 0x03, 0x03, 0x40, 0x00].into_iter().chain(std::iter::repeat(0));
            for byte in bytes.take_while(|byte| stream.write_all(&[*byte]).is_ok()) {
                std::thread::sleep(Duration::from_millis(if byte == 0 { 100 } else { 1 }));
            }
        });
        let began = Instant::now();
        assert!(shake("localhost", &[address], began + Duration::from_millis(500)).is_err());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[test]
    fn a_certificate_is_judged_by_its_end_and_by_who_trusts_it() {
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let judge = |end: &str, distrust| judged("app.example", &Met { not_after: end.parse().ok(), distrust }, now);
        let unknown = || Some(TlsError::General("unknown issuer".to_owned()));
        assert_eq!(judge("2027-03-01T00:00:00Z", None).state, State::Ok);
        let soon = judge("2026-12-01T00:00:00Z", None);
        assert!(soon.state == State::Warn && soon.what.contains("in 10 days"), "{soon:?}");
        let ended = judge("2026-11-20T00:00:00Z", unknown());
        assert!(ended.state == State::Fail && ended.what.contains("ended on 2026-11-20"), "{ended:?}");
        let foreign = judge("2027-03-01T00:00:00Z", unknown());
        assert!(foreign.state == State::Fail && foreign.what.contains("unknown issuer"), "{foreign:?}");
        assert_eq!(judge("", None).state, State::Ok, "trusted is what counts");
    }
}
