//! One connection, driven by whoever uses it.

use std::{
    future::{Future, poll_fn, ready},
    pin::{Pin, pin},
};

use bytes::Bytes;
use http::{Request, response::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body, Incoming},
    client::conn::{
        TrySendError,
        http1::{Connection, SendRequest},
    },
};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
/// Boxed: it is large, and goes from hand to hand.
type Running = Box<Connection<Stream, Full<Bytes>>>;

pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended. It is dropped then: what waits for it would wait for ever.
    connection: Option<Running>,
    idle_since: Instant,
}

/// An answer whose body is still to be read.
pub(crate) struct Reply {
    pub(crate) head: Parts,
    body: Incoming,
    line: Line,
}

impl Line {
    pub(super) fn new(sender: SendRequest<Full<Bytes>>, connection: Connection<Stream, Full<Bytes>>) -> Self {
        Self { sender, connection: Some(Box::new(connection)), idle_since: Instant::now() }
    }

    pub(super) const fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Itself, when the other side has not closed it.
    pub(super) async fn if_open(mut self) -> Option<Self> {
        drive(&mut self.connection, ready(())).await;
        (self.connection.is_some() && self.sender.is_ready()).then_some(self)
    }

    pub(super) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Reply, TrySendError<Request<Full<Bytes>>>> {
        let response = self.sender.try_send_request(request);
        let (head, body) = drive(&mut self.connection, response).await?.into_parts();
        Ok(Reply { head, body, line: self })
    }
}

impl Reply {
    /// Reads the body to its end or to `most` bytes. The connection too, when it can be used again: one whose body is too
    /// long, or breaks off, cannot. Which it was is of no account: the status has been given.
    pub(crate) async fn read(mut self, most: usize) -> (Vec<u8>, Option<Line>) {
        let mut read = Vec::new();
        while !self.body.is_end_stream() {
            match drive(&mut self.line.connection, self.body.frame()).await {
                None => break,
                Some(Err(_broken)) => return (read, None),
                Some(Ok(frame)) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    let room = most - read.len();
                    read.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        return (read, None);
                    }
                }
            }
        }
        self.line.idle_since = Instant::now();
        (read, self.line.if_open().await)
    }
}

/// `work`, while the connection goes on.
async fn drive<T>(connection: &mut Option<Running>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Some(running) = connection
            && Pin::new(&mut **running).poll(context).is_ready()
        {
            *connection = None;
        }
        work.as_mut().poll(context)
    })
    .await
}
