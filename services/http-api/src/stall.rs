//! A connection whose peer takes nothing is closed.
//!
//! hyper bounds how long a request's head may take, not how long a peer may leave an answer unread; neither does the
//! kernel, as long as the peer acknowledges its full window. A stream of events whose reader hangs would hold its place for
//! ever. [`Stalled`] fails a write that has made no progress for a set time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// An input and output of which no write may stall for longer than a set time.
#[derive(Debug)]
pub(crate) struct Stalled<T> {
    inner: T,
    patience: Duration,
    /// Runs while a write waits.
    waiting: bool,
    timer: Pin<Box<Sleep>>,
}

impl<T> Stalled<T> {
    pub fn new(inner: T, patience: Duration) -> Self {
        Self { inner, patience, waiting: false, timer: Box::pin(sleep(patience)) }
    }

    /// Passes `polled` on, unless it is the latest of writes that have waited too long.
    fn watch<R>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.patience);
        }
        self.timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalled<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stalled<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_millis(50);

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_takes_fails_after_the_patience() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut ours = Stalled::new(ours, PATIENCE);
        let wrote = tokio::time::timeout(Duration::from_secs(5), ours.write_all(&[0; 64])).await.expect("in time");
        assert_eq!(wrote.expect_err("stalled").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_that_takes_something_in_time_is_served_whole() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = Stalled::new(ours, PATIENCE);
        let reader = tokio::spawn(async move {
            let mut taken = 0;
            while taken < 64 {
                tokio::time::sleep(PATIENCE / 4).await;
                taken += theirs.read(&mut [0; 8]).await.expect("read");
            }
        });
        ours.write_all(&[0; 64]).await.expect("each step was within the patience");
        reader.await.expect("reader");
    }
}
