//! Subscribers: their names, their certificates.

use std::{fs, net::TcpListener, sync::Arc, thread};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{ServerConfig, ServerConnection, pki_types::PrivateKeyDer};
use serde_json::Value;

use crate::world::{HOST, World, ran};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribers_name_and_certificate_are_looked_at() {
    let world = World::new().await.started().await;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (lasting, soon) = (certificate(today + 100.years()), certificate(today + 10.days()));
    let trusted = world.directory.path().join("trusted.pem");
    fs::write(&trusted, lasting.0.pem() + &soon.0.pem()).unwrap();
    let good = world.subscribe(&serving(&lasting)).await;
    let ending = world.subscribe(&serving(&soon)).await;
    let ended = world.subscribe(&serving(&certificate(today - 1.day()))).await;
    let silent = world.subscribe(&format!("https://{HOST}:1/")).await;
    let of = |checks: &[Value], id: &str| {
        let found = checks.iter().find(|check| check["about"] == id).unwrap();
        (found["status"].as_str().unwrap().to_owned(), found["what"].as_str().unwrap().to_owned())
    };
    let mut trusting = world.command(&["-o", "json", "--skip", "log"]);
    trusting.env("SSL_CERT_FILE", &trusted).env_remove("SSL_CERT_DIR");
    let (code, checks) = ran(&mut trusting).await;
    assert_eq!(code, 6);
    let (state, what) = of(&checks, &good);
    assert!(state == "ok" && what.contains(&format!("its certificate ends on {}", today + 100.years())), "{what}");
    let (state, what) = of(&checks, &ending);
    assert!(state == "warn" && what.contains("in 9 days"), "{what}");
    let (state, what) = of(&checks, &ended);
    assert!(state == "fail" && what.contains(&format!("ended on {}T00:00:00Z", today - 1.day())), "{what}");
    let (state, what) = of(&checks, &silent);
    assert!(state == "fail" && what.contains("cannot be reached"), "{what}");

    let (_, checks) = world.doctor(&["--skip", "log"]).await;
    let (state, what) = of(&checks, &good);
    assert!(state == "fail" && what.contains("is not trusted"), "{what}");
    world.stopped().await;
}

/// A certificate for [`HOST`] that nobody vouches for, that ends as the day `end` begins; and its key.
fn certificate(end: Date) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (
        date_time_ymd(2020, 1, 1),
        date_time_ymd(end.year().into(), end.month().unsigned_abs(), end.day().unsigned_abs()),
    );
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

/// Speaks TLS with `certificate` and says nothing over it. Gives its URL.
fn serving((certificate, key): &(rcgen::Certificate, KeyPair)) -> String {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{HOST}:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            let _ = connection.complete_io(&mut stream);
        }
    });
    url
}
