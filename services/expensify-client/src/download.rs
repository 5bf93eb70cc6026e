//! A file as it comes in: lines, bounded in length, in number of bytes, and in the time that is spent waiting for it.
//!
//! Only waiting counts: a reader that takes its time over each line (it stores what it reads) is not cut off for it.
//! What is held at any time is one piece of the network's and the beginning of one line, never the file.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::Instant;

use crate::{
    classify::{Answer, classify, head_outcome},
    error::ClientError,
    job::{Job, JobKind},
    lines::{LineSplitter, LineTooLong, MAX_LINE_BYTES},
    transport::Transport,
};

/// The largest file that is read. A million reports of seven expenses each take 1.4 gigabytes.
pub const MAX_DOWNLOAD_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// A file no longer than this is looked at as a whole before it is taken for a file: it may be an envelope.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// A file that is being read. Dropping it closes the connection.
pub struct Download {
    transport: Arc<Transport>,
    job: Job,
    response: Option<Response>,
    lines: LineSplitter,
    bytes: u64,
    /// Time spent waiting for the server.
    waited: Duration,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("job", &self.job.asked()).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Download {
    /// Sends one request for the file and reads on until it is certain that the answer is one; then tells the permit, so
    /// that a refusal in the body is told as what it is.
    pub(crate) async fn start(transport: Arc<Transport>, job: Job) -> Result<Self, ClientError> {
        let timeout = transport.timeouts.download;
        let head = transport.send(&job, timeout).await?;
        let status = head.response.status().as_u16();
        // From the request on: what the gate held it back is no time of the server's.
        let waited = timeout.saturating_sub(head.deadline.saturating_duration_since(Instant::now()));
        let lines = LineSplitter::default();
        let mut download = Self { transport, job, response: Some(head.response), lines, bytes: 0, waited };
        let first = download.first().await;
        let answer = first.as_ref().ok().map(|first| download.classify(status, first));
        head.permit.answered(answer.as_ref().map_or_else(|| head_outcome(status), Answer::outcome));
        let first = first?;
        match answer {
            Some(Answer::File) | None => {}
            Some(refusal) => return Err(download.transport.refused(&download.job, refusal, status)),
        }
        download.lines.push(first.freeze());
        Ok(download)
    }

    /// As much as an envelope may take, or the whole of a shorter file.
    async fn first(&mut self) -> Result<BytesMut, ClientError> {
        let mut first = BytesMut::new();
        while first.len() <= ENVELOPE_BYTES
            && let Some(piece) = self.piece().await?
        {
            first.extend_from_slice(&piece);
        }
        Ok(first)
    }

    /// A whole answer is classified; of a long one the status alone can speak against it.
    fn classify(&self, status: u16, first: &[u8]) -> Answer {
        let whole = self.response.is_none();
        let told = if whole { first } else { &first[..first.len().min(ENVELOPE_BYTES)] };
        match classify(JobKind::Download, status, told) {
            Answer::Empty if !whole => Answer::File,
            answer => answer,
        }
    }

    /// The next line without its line end; `None` at the end of the file.
    pub async fn next_line(&mut self) -> Result<Option<Bytes>, ClientError> {
        let line = self.next_line_or_head().await?;
        line.transpose().map_err(|_| self.too_large(MAX_LINE_BYTES as u64))
    }

    /// The same, where a line that is too long does not end the file.
    pub(crate) async fn next_line_or_head(&mut self) -> Result<Option<Result<Bytes, LineTooLong>>, ClientError> {
        loop {
            if let Some(line) = self.lines.line().transpose() {
                return Ok(Some(line));
            }
            match self.piece().await? {
                Some(piece) => self.lines.push(piece),
                None => return Ok(self.lines.rest().map(Ok)),
            }
        }
    }

    /// Bytes of the file that came in so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long the server was waited for, from the request on.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The next piece of the body; `None` once it has ended, and ever after.
    async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Some(response) = &mut self.response else { return Ok(None) };
        let timeouts = &self.transport.timeouts;
        let patience = timeouts.download_idle.min(timeouts.download.saturating_sub(self.waited));
        let asked_at = Instant::now();
        let piece = tokio::time::timeout(patience, response.chunk()).await;
        self.waited += asked_at.elapsed();
        let piece = match piece {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => {
                self.response = None;
                return Err(self.transport.failed(&self.job, error, timeouts.download, true));
            }
            Err(_) => {
                let after = if self.waited < timeouts.download { timeouts.download_idle } else { timeouts.download };
                self.response = None;
                return Err(ClientError::TimedOut { asked: self.job.asked(), after });
            }
        };
        match &piece {
            Some(piece) => self.bytes += piece.len() as u64,
            None => self.response = None,
        }
        if self.bytes > MAX_DOWNLOAD_BYTES {
            self.response = None;
            return Err(self.too_large(MAX_DOWNLOAD_BYTES));
        }
        Ok(piece)
    }

    fn too_large(&self, limit_bytes: u64) -> ClientError {
        ClientError::TooLarge { asked: self.job.asked(), limit_bytes }
    }
}
