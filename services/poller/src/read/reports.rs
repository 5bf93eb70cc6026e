//! An export of reports, taken in row by row as it streams.

use expensify_client::{ClientError, Completeness, ReportRows, RowStep};
use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::{Read, examine::examine};
use crate::{
    error::ReadError,
    scribe::{Reading, ReportsAsked, ReportsEnded},
    shift::Shift,
};

pub(super) async fn reports(shift: &Shift, asked: ReportsAsked) -> Result<Read, ReadError> {
    let account = &shift.account;
    if !shift.scribe().await.has_read_reports() && account.examines() {
        examine(account).await?;
    }
    let watch = asked.watch.clone();
    let mut rows = account.client.report_rows(&asked.export).await?;
    let observed_at = rows.rendered_by();
    let mut reading = shift.scribe().await.begin(asked, rows.started_at(), observed_at);
    let broken = take_in(shift, &mut rows, &mut reading).await?;
    let end = rows.finish();
    let took = SignedDuration::try_from(end.rendering + end.downloading).unwrap_or(SignedDuration::MAX);
    let complete = broken.is_none() && end.names_all(reading.rows());

    let mut scribe = shift.scribe().await;
    for id in &end.unrendered {
        scribe.unrendered(&mut reading, id);
    }
    for notice in &end.drift {
        info!(account = %account.name(), notice, "the export is not as expected");
        scribe.notice(&watch, notice, Timestamp::now());
    }
    let judged = reading.rows();
    let ingested = scribe.end_reports(reading, ReportsEnded { complete, took, bytes: end.bytes }).await?;
    drop(scribe);
    account.metrics.rows(account.name(), judged, ingested.parsed);
    match (broken, end.completeness) {
        (Some(error), _) => Err(error.into()),
        (None, Completeness::Incomplete(reason)) if !complete => Err(ReadError::Incomplete(reason)),
        (None, _) => Ok(Read { ingested, observed_at, requests: end.requests, took, bytes: end.bytes }),
    }
}

/// Gives the rows to the scribe as they come; the error that ended the file early, if one did. Other reads get their turn
/// between two rows.
async fn take_in(
    shift: &Shift,
    rows: &mut ReportRows,
    reading: &mut Reading,
) -> Result<Option<ClientError>, ReadError> {
    loop {
        match rows.next().await {
            Ok(Some(RowStep::Row(row))) => {
                let mut parse = || rows.observed(&row);
                shift.scribe().await.row(reading, row.report_id(), row.digest(), &mut parse).await?;
            }
            Ok(Some(RowStep::Restarted)) => shift.scribe().await.restarted(reading),
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        }
    }
}
