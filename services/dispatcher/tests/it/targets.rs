//! Where deliveries may not go, and how an attempt that reaches nobody is told.

use event_model::delivery::Outcome;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

use crate::{
    receiver::{Receiver, Reply},
    world::World,
};

/// How the first attempt to `url` ends.
pub async fn outcome(url: &str, configure: impl FnOnce(&mut World)) -> Outcome {
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::default();
    configure(&mut world);
    world.append(&["a"]).await;
    world.subscribe(&url.parse().expect(url)).await;
    world.start();
    let pending = world.pending_until(|pending| !pending.is_empty()).await;
    world.stop().await;
    pending[0].history[0].outcome.clone()
}

fn with_host(url: &Url, host: &str) -> String {
    let mut url = url.clone();
    url.set_host(Some(host)).expect("host");
    url.to_string()
}

#[tokio::test]
async fn nothing_reaches_an_address_that_is_not_allowed_by_number_or_by_name() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    for host in ["127.0.0.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"] {
        let ended = outcome(&with_host(&receiver.url, host), |world| world.config.allow_cidrs.clear()).await;
        let Outcome::Blocked { why } = ended else { panic!("{host}: {ended:?}") };
        assert!(why.contains("range"), "{host}: {why}");
    }
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn plain_http_goes_nowhere_unless_allowed() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let ended = outcome(receiver.url.as_str(), |world| world.config.allow_http = false).await;
    assert!(matches!(ended, Outcome::Blocked { .. }), "{ended:?}");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn each_way_of_not_arriving_has_its_name() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let free_port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
    assert_eq!(outcome(&format!("http://{free_port}/"), |_| {}).await, Outcome::Refused);
    let tls_to_plain = receiver.url.as_str().replace("http:", "https:");
    assert_eq!(outcome(&tls_to_plain, |_| {}).await, Outcome::Tls);
    // A label longer than any name may have: the resolver refuses it without asking the network.
    assert_eq!(outcome(&format!("http://{}.example/", "a".repeat(64)), |_| {}).await, Outcome::Dns);
    assert_eq!(outcome(&answering(b"?".to_vec()).await, |_| {}).await, Outcome::Transport);
}

#[tokio::test]
async fn an_answer_with_too_many_headers_or_too_long_ones_is_told_as_too_large() {
    let fitting = format!("HTTP/1.1 404 No\r\ncontent-length: 0\r\n{}\r\n", "a: b\r\n".repeat(99));
    let many = format!("HTTP/1.1 500 No\r\ncontent-length: 0\r\n{}\r\n", "a: b\r\n".repeat(100));
    let long = format!("HTTP/1.1 500 No\r\ncontent-length: 0\r\na: {}\r\n\r\n", "b".repeat(200_000));
    assert_eq!(outcome(&answering(fitting.into()).await, |_| {}).await, Outcome::Status { status: 404 });
    for head in [many, long] {
        assert_eq!(outcome(&answering(head.into()).await, |_| {}).await, Outcome::TooLarge);
    }
}

/// A server that says this to everybody and hangs up.
async fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // Errors say that the other side has gone, which is its right.
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    url
}
