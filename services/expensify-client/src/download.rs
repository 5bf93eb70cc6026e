//! A file as it comes in: lines, bounded in length, in number of bytes, and in the time between two pieces.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use crate::{
    classify::{Answer, classify, head_outcome},
    error::ClientError,
    job::{Job, JobKind},
    lines::{LineSplitter, MAX_LINE_BYTES},
    transport::Transport,
};

/// The largest file that is read. Twenty thousand reports of seven expenses each take some thirty megabytes.
pub const MAX_DOWNLOAD_BYTES: u64 = 512 * 1024 * 1024;
/// A file no longer than this is looked at as a whole before it is taken for a file: it may be an envelope.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// A file that is being read. Dropping it closes the connection.
pub struct Download {
    transport: Arc<Transport>,
    job: Job,
    response: Option<Response>,
    lines: LineSplitter,
    bytes: u64,
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
        let head = transport.send(&job, transport.timeouts.download).await?;
        let status = head.response.status().as_u16();
        let lines = LineSplitter::default();
        let mut download = Self { transport, job, response: Some(head.response), lines, bytes: 0 };
        let first = download.first().await;
        let answer = first.as_ref().ok().map(|first| download.classify(status, first));
        head.permit.answered(answer.as_ref().map_or_else(|| head_outcome(status), Answer::outcome));
        let first = first?;
        match answer {
            Some(Answer::File) | None => {}
            Some(refusal) => return Err(download.transport.refused(&download.job, refusal, status)),
        }
        download.lines.push(&first);
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
        loop {
            let line = self.lines.line().map_err(|_| self.too_large(MAX_LINE_BYTES as u64))?;
            if line.is_some() {
                return Ok(line);
            }
            match self.piece().await? {
                Some(piece) => self.lines.push(&piece),
                None => return Ok(self.lines.rest()),
            }
        }
    }

    /// Bytes of the file that came in so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next piece of the body; `None` once it has ended, and ever after.
    async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Some(response) = &mut self.response else { return Ok(None) };
        let timeouts = &self.transport.timeouts;
        let piece = match tokio::time::timeout(timeouts.download_idle, response.chunk()).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => {
                self.response = None;
                return Err(self.transport.failed(&self.job, error, timeouts.download, true));
            }
            Err(_) => {
                let after: Duration = timeouts.download_idle;
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
