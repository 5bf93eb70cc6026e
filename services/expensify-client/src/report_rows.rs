//! The rows of an export as they come in, through downloads that may have to be begun again.
//!
//! This is the one place that retries: a download that is empty, not found, cut short or broken on the way is asked for
//! again after the configured waits, each time through the gate. An export is never repeated. The protocol cannot resume a
//! file half way: its rows come again from the first, which costs little where their digests are known by then.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use event_model::Report;
use jiff::Timestamp;

use crate::{
    client::ExportedFile,
    completeness::{Completeness, Incompleteness},
    download::Download,
    error::{ClientError, Retry},
    job::{Job, JobKind},
    reader::RowReader,
    row::{DigestKey, Row},
    template::Nonce,
    transport::Transport,
};

/// What comes next.
#[derive(Clone, Debug)]
pub enum RowStep {
    /// A row.
    Row(Row),
    /// The download broke and begins anew: rows that were shown come again, and what was missing so far means nothing.
    Restarted,
}

/// How a read of rows ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RowsEnd {
    /// Whether the rows are all that the export was to show.
    pub completeness: Completeness,
    /// Reports that the file names and that could not be read.
    pub lost: u64,
    /// Of those, the ids of the ones that made no row.
    pub unrendered: Vec<String>,
    /// ... and those of which not even the id is known.
    pub unnamed: u64,
    /// When the export was sent.
    pub started_at: Timestamp,
    /// When the export was answered: what the rows show was so before.
    pub rendered_by: Timestamp,
    /// From the one to the other: as long as the server took to render.
    pub rendering: Duration,
    /// Time spent waiting for downloads, retries and the waits before them not counted.
    pub downloading: Duration,
    /// Size of the file.
    pub bytes: u64,
    /// Requests that were sent.
    pub requests: u32,
    /// Notices about the upstream, for a person; bounded.
    pub drift: Vec<String>,
}

impl RowsEnd {
    /// Whether the file shows every report, or at least names it: a few that cannot be read for good must not keep all others
    /// from being believed. Of `rows` reports it may be one in `ONE_IN`, and always `A_FEW`.
    pub fn names_all(&self, rows: u64) -> bool {
        match self.completeness {
            Completeness::Complete => true,
            Completeness::Incomplete(Incompleteness::Faults { reports }) => {
                self.unnamed == 0 && reports <= A_FEW.max(rows / ONE_IN)
            }
            Completeness::Incomplete(_) => false,
        }
    }
}

/// So many reports that cannot be read are odd reports.
const A_FEW: u64 = 10;
/// One in so many, too; more are an engine that fails.
const ONE_IN: u64 = 100;

/// An export that is being read. Dropping it closes the connection.
pub struct ReportRows {
    transport: Arc<Transport>,
    file: ExportedFile,
    /// Before the tries that are left.
    waits: VecDeque<Duration>,
    key: DigestKey,
    download: Option<Download>,
    reader: RowReader,
    /// A row was shown since the download began.
    shown: bool,
    /// The download begins anew, and whoever was shown rows of it is still to be told.
    restarted: bool,
    ended: bool,
    requests: u32,
}

impl std::fmt::Debug for ReportRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportRows").field("file", &self.file.name).finish_non_exhaustive()
    }
}

impl ReportRows {
    /// For a file that one request has made.
    pub(crate) fn new(transport: Arc<Transport>, file: ExportedFile, waits: &[Duration], key: DigestKey) -> Self {
        let reader = RowReader::new(nonce(&file), key);
        let waits = waits.iter().copied().collect();
        Self {
            transport,
            file,
            waits,
            key,
            download: None,
            reader,
            shown: false,
            restarted: false,
            ended: false,
            requests: 1,
        }
    }

    /// The next row, as soon as its line is there; `None` once the file has ended. An error comes after the last try.
    pub async fn next(&mut self) -> Result<Option<RowStep>, ClientError> {
        while !self.ended {
            if std::mem::take(&mut self.restarted) {
                return Ok(Some(RowStep::Restarted));
            }
            match self.line_or_end().await {
                Ok(Some(row)) => {
                    self.shown = true;
                    return Ok(Some(RowStep::Row(row)));
                }
                Ok(None) if !self.reader.is_cut_short() => self.ended = true,
                Err(error) if !worth_another_try(&error) => return self.fail(error),
                broken => match self.waits.pop_front() {
                    Some(wait) => self.restart(wait).await,
                    None => match broken {
                        Err(error) => return self.fail(error),
                        Ok(_) => self.ended = true,
                    },
                },
            }
        }
        Ok(None)
    }

    /// Reads a row of the running download. `None` when it is no report: then it is counted as lost and the read is
    /// incomplete. A row may be left unread only when its content is known ([`reader`](crate::reader)).
    pub fn observed(&mut self, row: &Row) -> Option<Report> {
        self.reader.report(row)
    }

    /// When the export was sent.
    pub fn started_at(&self) -> Timestamp {
        self.file.started_at
    }

    /// When the export was answered: what the rows show was so before.
    pub fn rendered_by(&self) -> Timestamp {
        self.file.rendered_by
    }

    /// Requests that were sent so far, the export's included.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// What is to be said of the rows as a whole. Before [`next`](Self::next) has told the end, and after an error, that is
    /// that they are not all.
    pub fn finish(self) -> RowsEnd {
        let read = self.reader.finish();
        let completeness = match read.completeness {
            Completeness::Complete if !self.ended => Completeness::Incomplete(Incompleteness::NoEnd),
            completeness => completeness,
        };
        let (started_at, rendered_by) = (self.file.started_at, self.file.rendered_by);
        RowsEnd {
            completeness,
            lost: read.lost,
            unrendered: read.unrendered,
            unnamed: read.unnamed,
            started_at,
            rendered_by,
            rendering: rendered_by.duration_since(started_at).try_into().unwrap_or_default(),
            downloading: self.download.as_ref().map(Download::waited).unwrap_or_default(),
            bytes: self.download.as_ref().map(Download::bytes).unwrap_or_default(),
            requests: self.requests,
            drift: read.drift,
        }
    }

    /// The next row, from a download that is begun when there is none.
    async fn line_or_end(&mut self) -> Result<Option<Row>, ClientError> {
        let download = match &mut self.download {
            Some(download) => download,
            none => {
                self.requests += 1;
                let job = Job::download(&self.file.name, self.file.system);
                none.insert(Download::start(Arc::clone(&self.transport), job).await?)
            }
        };
        while let Some(line) = download.next_line_or_head().await? {
            match line {
                Ok(line) => {
                    if let Some(row) = self.reader.line(line) {
                        return Ok(Some(row));
                    }
                }
                Err(too_long) => self.reader.line_too_long(&too_long.head),
            }
        }
        Ok(None)
    }

    /// Makes ready for the same file from its beginning, and waits. Told before the wait: this may be dropped in it.
    async fn restart(&mut self, wait: Duration) {
        tracing::debug!(file = self.file.name, wait_s = wait.as_secs_f64(), "download is not ready");
        self.download = None;
        self.reader = RowReader::new(nonce(&self.file), self.key);
        self.restarted |= std::mem::take(&mut self.shown);
        tokio::time::sleep(wait).await;
    }

    fn fail<T>(&mut self, error: ClientError) -> Result<T, ClientError> {
        self.download = None;
        Err(error)
    }
}

/// A file without one is not by our template and has no rows.
fn nonce(file: &ExportedFile) -> Nonce {
    file.nonce.clone().unwrap_or_else(|| Nonce::from_bits(0))
}

/// Whether the same file may yet be had. Not after a timeout: that was long already.
fn worth_another_try(error: &ClientError) -> bool {
    let download = error.job() == JobKind::Download;
    download && error.retry() == Retry::Later && !matches!(error, ClientError::TimedOut { .. })
}
