use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

fn wire() -> Wire {
    let guard = Guard::new(true, vec!["127.0.0.0/8".parse().expect("a network")]);
    Wire::new(&guard, 2).expect("a wire")
}

async fn listener() -> (TcpListener, Place) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?a=b", listener.local_addr().expect("an address"));
    (listener, Place::of(&url.parse().expect("a URL")).expect("a place"))
}

/// Reads a request's head, and answers.
async fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a byte"));
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("written");
    String::from_utf8(head).expect("text")
}

async fn post(wire: &Wire, place: &Place) -> Vec<u8> {
    let mut request = Request::new(Full::new(Bytes::new()));
    (*request.method_mut(), *request.uri_mut()) = (Method::POST, place.path().clone());
    let reply = wire.send(place, request).await.expect("an answer");
    let (body, line) = reply.read(100).await;
    line.into_iter().for_each(|line| wire.give_back(place, line));
    body
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let ((listener, place), wire) = (listener().await, wire());
    let receiver = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        ([answer(&mut stream).await, answer(&mut stream).await], stream)
    });
    for _ in 0..2 {
        assert_eq!(post(&wire, &place).await, b"ok");
    }
    let (heads, _open) = receiver.await.expect("both over one connection");
    assert!(heads.iter().all(|head| head.starts_with("POST /hook?a=b HTTP/1.1\r\n")), "{heads:?}");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_loses_no_request() {
    let ((listener, place), wire) = (listener().await, wire());
    let receiver = tokio::spawn(async move {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            answer(&mut stream).await;
        }
    });
    for _ in 0..3 {
        assert_eq!(post(&wire, &place).await, b"ok");
    }
    receiver.await.expect("each over one of its own");
}

#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_closed() {
    let ((listener, place), wire) = (listener().await, wire());
    let receiver = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        answer(&mut stream).await;
        stream.read(&mut [0]).await.expect("its end")
    });
    post(&wire, &place).await;
    wire.close_older_than(Instant::now());
    assert_eq!((receiver.await.expect("closed"), wire.idle().count), (0, 0));
}

#[test]
fn a_connection_stays_with_the_runtime_that_made_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (one, other, wire) = (runtime(), runtime(), wire());
    let (listener, place) = one.block_on(listener());
    let receiver = one.spawn(async move {
        let (mut first, _) = listener.accept().await.expect("a connection");
        answer(&mut first).await;
        first
    });
    one.block_on(post(&wire, &place));
    let _open = one.block_on(receiver).expect("answered");
    assert!(other.block_on(async { wire.take(&place) }).is_none());
    assert!(one.block_on(async { wire.take(&place) }).is_some());
}
