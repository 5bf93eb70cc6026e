//! The receiver: a process that stamps each delivery, and what is asked of it from outside.
//!
//! The path says how it answers: `/s/…` at once, `/hang/…` never, `/flaky/…` with 500 for the first attempts at some of
//! the events. `GET /receipts` gives a line for each that was taken: path, sequence, nanoseconds since the epoch.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::program::Running;

/// The argument that makes a bench its own receiver.
pub const ROLE: &str = "--receive";
/// A request's head and body are no longer than this.
const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Of the flaky, one event in this many is refused at first.
const FLAKY_ONE_IN: u64 = 5;
/// How often such an event is refused.
const FLAKY_REFUSALS: u32 = 2;
/// Pause between two looks at how many have arrived.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// One delivery that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where it came.
    pub path: String,
    /// What came.
    pub sequence: u64,
    /// When, in nanoseconds since the epoch.
    pub at_ns: u128,
}

#[derive(Default)]
struct Book {
    paths: HashMap<String, u32>,
    receipts: Vec<(u32, u64, u128)>,
    refused: HashMap<(u32, u64), u32>,
    distinct: HashSet<(u32, u64)>,
}

/// Now, in nanoseconds since the epoch: the clock that both processes read.
pub fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Receives until killed. Prints its address first.
pub async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("receiving on {}", listener.local_addr()?);
    let book = Arc::new(Mutex::new(Book::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        let book = Arc::clone(&book);
        tokio::spawn(async move { drop(serve(stream, &book).await) });
    }
}

async fn serve(mut stream: TcpStream, book: &Mutex<Book>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let Some((head, length)) = request(&mut stream, &mut buffer).await? else { return Ok(()) };
        let answer = answer(book, &buffer[..head], &buffer[head..head + length]);
        buffer.drain(..head + length);
        match answer {
            Some(answer) => stream.write_all(&answer).await?,
            None => std::future::pending().await,
        }
    }
}

/// Reads until a request is whole: the length of its head and that of its body. `None` at the end.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<(usize, usize)>> {
    loop {
        if let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) {
            let length = content_length(&buffer[..head]);
            if buffer.len() >= head + length {
                return Ok(Some((head, length)));
            }
        }
        if buffer.len() > MAX_REQUEST_BYTES {
            bail!("a request without end");
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let found = lines.filter(|line| line.len() > NAME.len()).find(|line| line[..NAME.len()].eq_ignore_ascii_case(NAME));
    let number = found.and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok());
    number.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

fn answer(book: &Mutex<Book>, head: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const REFUSED: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    let at = now_ns();
    let path = head.split(|byte| *byte == b' ').nth(1).and_then(|path| std::str::from_utf8(path).ok()).unwrap_or("");
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    match path {
        "/count" => Some(text(&book.receipts.len().to_string())),
        "/receipts" => Some(text(&book.lines())),
        "/distinct" => Some(text(&book.distinct.len().to_string())),
        path if path.starts_with("/since/") => {
            let since = path["/since/".len()..].parse().unwrap_or(0);
            let first = book.receipts.iter().map(|(_, _, at)| *at).filter(|at| *at >= since).min();
            Some(text(&first.map(|at| at.to_string()).unwrap_or_default()))
        }
        "/clear" => {
            *book = Book::default();
            Some(text(""))
        }
        path if path.starts_with("/hang/") => None,
        path => {
            let taken = book.take(path, sequence(body), at);
            Some(if taken { TAKEN } else { REFUSED }.to_vec())
        }
    }
}

/// The sequence in an event, found without reading it whole.
fn sequence(body: &[u8]) -> u64 {
    const NAME: &[u8] = b"\"sequence\":";
    let begin = body.windows(NAME.len()).position(|window| window == NAME).map_or(body.len(), |at| at + NAME.len());
    body[begin..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

fn text(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Book {
    fn take(&mut self, path: &str, sequence: u64, at: u128) -> bool {
        let known = u32::try_from(self.paths.len()).unwrap_or(u32::MAX);
        let path_number = match self.paths.get(path) {
            Some(number) => *number,
            None => *self.paths.entry(path.to_owned()).or_insert(known),
        };
        if path.starts_with("/flaky/") && (sequence + u64::from(path_number)).is_multiple_of(FLAKY_ONE_IN) {
            let refused = self.refused.entry((path_number, sequence)).or_default();
            if *refused < FLAKY_REFUSALS {
                *refused += 1;
                return false;
            }
        }
        self.receipts.push((path_number, sequence, at));
        self.distinct.insert((path_number, sequence));
        true
    }

    fn lines(&self) -> String {
        let names: HashMap<u32, &str> = self.paths.iter().map(|(name, number)| (*number, name.as_str())).collect();
        self.receipts.iter().fold(String::new(), |mut lines, (path, sequence, at)| {
            let _ = writeln!(lines, "{} {sequence} {at}", names[path]);
            lines
        })
    }
}

/// A receiver in another process; killed when dropped.
pub struct Receiver {
    _process: Running,
    base: String,
    client: reqwest::Client,
}

impl Receiver {
    /// Starts `program` in the receiver's role.
    pub async fn start(program: &Path) -> Result<Self> {
        let mut process = Running::start(program, &[ROLE])?;
        let line = process.line_with("receiving on", Duration::from_secs(10)).await?;
        let address = line.rsplit(' ').next().context("an address")?;
        // An error says that the process has a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { base: format!("http://{address}"), _process: process, client })
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Forgets what arrived.
    pub async fn clear(&self) -> Result<()> {
        self.ask("/clear").await.map(drop)
    }

    /// Waits until `count` have arrived.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Result<()> {
        self.wait_until("/count", count, limit).await
    }

    /// Waits until `count` different ones have arrived.
    pub async fn wait_for_distinct(&self, count: usize, limit: Duration) -> Result<()> {
        self.wait_until("/distinct", count, limit).await
    }

    /// When the first after `since_ns` arrived.
    pub async fn first_since(&self, since_ns: u128) -> Result<Option<u128>> {
        Ok(self.ask(&format!("/since/{since_ns}")).await?.parse().ok())
    }

    async fn wait_until(&self, path: &str, count: usize, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let arrived: usize = self.ask(path).await?.parse()?;
            if arrived >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{arrived} of {count} arrived within {limit:?}");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What arrived, in order.
    pub async fn receipts(&self) -> Result<Vec<Receipt>> {
        let lines = self.ask("/receipts").await?;
        lines.lines().map(|line| receipt(line).with_context(|| format!("the line {line:?}"))).collect()
    }

    async fn ask(&self, path: &str) -> Result<String> {
        Ok(self.client.get(self.url(path)).send().await?.text().await?)
    }
}

fn receipt(line: &str) -> Option<Receipt> {
    let mut words = line.split(' ');
    let (path, sequence, at) = (words.next()?, words.next()?, words.next()?);
    Some(Receipt { path: path.to_owned(), sequence: sequence.parse().ok()?, at_ns: at.parse().ok()? })
}
