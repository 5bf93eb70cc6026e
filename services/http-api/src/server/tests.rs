use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const SHORT: Patience = Patience { head: Duration::from_millis(100), write: Duration::from_millis(100) };
const DEADLINE: Duration = Duration::from_secs(5);

/// A client connected to one served connection, and the task that serves it.
async fn connected(app: Router, patience: Patience) -> (TcpStream, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
    let (stream, _) = listener.accept().await.expect("accepted");
    (client, tokio::spawn(connection(stream, app, CancellationToken::new(), patience)))
}

#[tokio::test]
async fn a_client_that_drips_its_request_is_cut_off() {
    let (mut client, served) = connected(Router::new(), SHORT).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.expect("sent");
    timeout(DEADLINE, served).await.expect("in time").expect("no panic");
    let mut answer = Vec::new();
    // Nothing was asked, so nothing is answered; the end of it may be a reset.
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_drips_byte_by_byte_gains_no_time_by_it() {
    let (mut client, served) = connected(Router::new(), SHORT).await;
    let dripping = async {
        while client.write_all(b"x").await.is_ok() {
            sleep(SHORT.head / 10).await;
        }
    };
    let ended = async { served.await.expect("no panic") };
    tokio::select! {
        () = ended => {}
        () = dripping => {}
        () = sleep(DEADLINE) => panic!("the connection is still served"),
    }
}

#[tokio::test]
async fn a_kept_alive_connection_that_idles_is_closed() {
    let app = Router::new().route("/", get(async || "hello"));
    let (mut client, served) = connected(app, SHORT).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    timeout(DEADLINE, client.read_to_string(&mut answer)).await.expect("in time").expect("read");
    assert!(answer.ends_with("hello"), "{answer}");
    timeout(DEADLINE, served).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_an_endless_answer_is_cut_off() {
    let endless = async || {
        let piece = Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b'x'; 64 * 1024]));
        Body::from_stream(futures_util::stream::repeat(piece))
    };
    let (mut client, served) = connected(Router::new().route("/", get(endless)), SHORT).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    timeout(DEADLINE, served).await.expect("in time").expect("no panic");
    drop(client);
}

#[tokio::test]
async fn a_head_beyond_the_bound_is_refused() {
    let (mut client, served) = connected(Router::new(), Patience::default()).await;
    let head = format!("GET / HTTP/1.1\r\nx-large: {}\r\n\r\n", "v".repeat(MAX_HEAD_BYTES));
    client.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    timeout(DEADLINE, client.read_exact(&mut answer)).await.expect("in time").expect("read");
    assert_eq!(&answer, b"HTTP/1.1 431");
    timeout(DEADLINE, served).await.expect("in time").expect("no panic");
}
