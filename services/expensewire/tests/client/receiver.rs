//! A program on this machine that takes deliveries: raw, so that it sees the bytes that were signed.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver as Queue, Sender, channel},
    },
    thread,
    time::Duration,
};

use dispatcher::signature::{parse_secret, verify};
use jiff::Timestamp;

/// Far beyond what a delivery takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// What one request brought.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Delivery {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Checks it as a receiver does.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let [id, at, signature] =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| self.header(name));
        let secret = parse_secret(secret).unwrap();
        verify(&secret, id, at, signature, &self.body, Timestamp::now().as_second(), 300).is_ok()
    }
}

pub struct Receiver {
    pub url: String,
    got: Mutex<Queue<Delivery>>,
}

impl Receiver {
    /// Answers each request by the next of `statuses`, and the last one ever after.
    pub fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, got) = channel();
        let statuses: Arc<[u16]> = statuses.into();
        thread::spawn(move || {
            for (index, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let status = statuses[index.min(statuses.len() - 1)];
                answer(&stream, status, &sender);
            }
        });
        Self { url, got: Mutex::new(got) }
    }

    /// The next delivery.
    pub fn next(&self) -> Delivery {
        self.got.lock().unwrap().recv_timeout(DEADLINE).unwrap()
    }

    /// Whether nothing more has come so far.
    pub fn is_empty(&self) -> bool {
        self.got.lock().unwrap().try_recv().is_err()
    }
}

fn answer(stream: &TcpStream, status: u16, got: &Sender<Delivery>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut delivery = Delivery { headers, body: Vec::new() };
    delivery.body = vec![0; delivery.header("content-length").parse().unwrap()];
    reader.read_exact(&mut delivery.body).unwrap();
    got.send(delivery).unwrap();
    let mut stream = stream;
    let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}
