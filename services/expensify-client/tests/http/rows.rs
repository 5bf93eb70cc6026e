//! Rows as they stream in, and what is told when a download begins anew.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{DEADLINE, File, Passed, Reply, Seen, Upstream, client, config, export_file, exporting, read_all};
use axum::{
    body::{Body, Bytes},
    http::Response,
};
use event_model::Report;
use expensify_client::{
    Client, ClientError, Completeness, Incompleteness, JobKind, MAX_REPORT_IDS, ReportExport, ReportRows, Row, RowStep,
};
use futures_util::{StreamExt, stream};
use tokio::{sync::mpsc, time::timeout};

async fn begun(client: &Client) -> ReportRows {
    client.report_rows(&ReportExport::default()).await.unwrap()
}

async fn step(rows: &mut ReportRows) -> Option<RowStep> {
    timeout(DEADLINE, rows.next()).await.expect("a step in time").unwrap()
}

async fn row(rows: &mut ReportRows) -> Row {
    match step(rows).await {
        Some(RowStep::Row(row)) => row,
        other => panic!("{other:?} where a row should be"),
    }
}

/// What comes, in short: ids, `*` for a new beginning.
async fn told(rows: &mut ReportRows) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(step) = step(rows).await {
        told.push(match step {
            RowStep::Row(row) => row.report_id().to_owned(),
            RowStep::Restarted => "*".to_owned(),
        });
    }
    told
}

fn whole() -> File {
    Box::new(|template| (200, export_file(template, &["R1", "R2", "R3"])))
}

/// The file without its last `bytes`.
fn without(bytes: usize) -> File {
    Box::new(move |template| {
        let file = export_file(template, &["R1", "R2", "R3"]);
        (200, file[..file.len() - bytes].to_owned())
    })
}

#[tokio::test]
async fn rows_come_before_the_file_has_ended() {
    let (pieces, receiver) = mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
    let receiver = Mutex::new(Some(receiver));
    let (upstream, url) = Upstream::start(vec![
        Box::new(|_| Response::new(Body::from("a.json"))),
        Box::new(move |_| {
            let receiver = receiver.lock().unwrap().take().unwrap();
            Response::new(Body::from_stream(stream::unfold(receiver, |mut pieces| async {
                pieces.recv().await.map(|piece| (piece, pieces))
            })))
        }),
    ])
    .await;
    let (client, _) = client(config(&url));
    let mut rows = begun(&client).await;
    let template = upstream.seen()[0].form["template"].clone();
    let ids: Vec<String> = (0..1000).map(|n| format!("R{n:011}")).collect();
    let file = export_file(&template, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let half = file.len() / 2;
    pieces.send(Ok(Bytes::copy_from_slice(&file.as_bytes()[..half]))).unwrap();
    for id in &ids[..400] {
        assert_eq!(row(&mut rows).await.report_id(), id);
    }
    pieces.send(Ok(Bytes::copy_from_slice(&file.as_bytes()[half..]))).unwrap();
    drop(pieces);
    assert_eq!(told(&mut rows).await, ids[400..]);
    let end = rows.finish();
    assert_eq!((end.completeness, end.bytes, end.requests), (Completeness::Complete, file.len() as u64, 2));
}

#[tokio::test]
async fn a_new_beginning_is_told_when_rows_were_shown() {
    let nothing: File = Box::new(|_| (200, String::new()));
    let only_begin: File =
        Box::new(|template| (200, export_file(template, &["R1"]).lines().next().unwrap().to_owned()));
    let (_upstream, url) = exporting(vec![nothing, without(30), only_begin, whole()]).await;
    let (client, mut events) = client(config(&url));
    let mut rows = begun(&client).await;
    assert_eq!(told(&mut rows).await, ["R1", "R2", "R3", "*", "R1", "R2", "R3"]);
    assert!(step(&mut rows).await.is_none(), "and ever after");
    let end = rows.finish();
    assert_eq!((end.completeness, end.requests, end.lost), (Completeness::Complete, 5, 0));
    assert!(end.started_at <= end.rendered_by && end.downloading > Duration::ZERO);
    let downloads = events.all().into_iter().filter(|event| *event == Passed::Acquired(JobKind::Download));
    assert_eq!(downloads.count(), 4);
}

#[tokio::test]
async fn a_new_beginning_is_told_even_to_one_who_gave_up_waiting() {
    let (_upstream, url) = exporting(vec![without(30), whole()]).await;
    let mut config = config(&url);
    config.download_waits = vec![Duration::from_millis(400)];
    let (client, _) = client(config);
    let mut rows = begun(&client).await;
    for _ in 0..3 {
        row(&mut rows).await;
    }
    assert!(timeout(Duration::from_millis(100), rows.next()).await.is_err(), "it waits before the next try");
    assert!(matches!(step(&mut rows).await, Some(RowStep::Restarted)));
    assert_eq!(told(&mut rows).await, ["R1", "R2", "R3"]);
}

#[tokio::test]
async fn a_row_that_is_cut_short_is_shown_and_then_refused() {
    let last: File = without(120);
    let (_upstream, url) = exporting(vec![last]).await;
    let mut config = config(&url);
    config.download_waits.clear();
    let (client, _) = client(config);
    let mut rows = begun(&client).await;
    let mut read: Vec<Option<Report>> = Vec::new();
    while let Some(RowStep::Row(row)) = step(&mut rows).await {
        read.push(rows.observed(&row));
    }
    assert_eq!(read.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    let end = rows.finish();
    assert_eq!((end.completeness, end.lost), (Completeness::Incomplete(Incompleteness::NoEnd), 1));
}

#[tokio::test]
async fn what_was_not_read_to_its_end_is_incomplete() {
    let (_upstream, url) = exporting(vec![whole()]).await;
    let (client, _) = client(config(&url));
    let mut rows = begun(&client).await;
    row(&mut rows).await;
    assert_eq!(rows.finish().completeness, Completeness::Incomplete(Incompleteness::NoEnd));
    let (_upstream, url) = exporting(vec![whole()]).await;
    let (client, _) = self::client(config(&url));
    assert_eq!(begun(&client).await.finish().completeness, Completeness::Incomplete(Incompleteness::NotOurs));
}

#[tokio::test]
async fn one_who_takes_time_over_a_row_is_not_cut_off() {
    let ids: Vec<String> = (0..3000).map(|n| format!("R{n:011}")).collect();
    let long = move |template: &str| (200, export_file(template, &ids.iter().map(String::as_str).collect::<Vec<_>>()));
    let (_upstream, url) = exporting(vec![Box::new(long)]).await;
    let mut config = config(&url);
    let bound = Duration::from_millis(300);
    (config.timeouts.download, config.timeouts.download_idle) = (bound, bound);
    let (client, _) = client(config);
    let mut rows = begun(&client).await;
    row(&mut rows).await;
    tokio::time::sleep(bound).await;
    assert_eq!(told(&mut rows).await.len(), 2999);
    assert!(rows.finish().downloading < bound);
}

/// A download that gives these pieces, one each `pause`, and then breaks.
fn breaking(pause: Duration, pieces: impl Fn(&str) -> Vec<String> + Send + 'static) -> Vec<Reply> {
    let template = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&template);
    let export = move |seen: &Seen| {
        kept.lock().unwrap().clone_from(&seen.form["template"]);
        Response::new(Body::from("a.json"))
    };
    let download = move |_: &Seen| {
        let pieces = pieces(&template.lock().unwrap()).into_iter().map(Ok);
        let broken = std::iter::once_with(|| Err(std::io::Error::other("broken")));
        Response::new(Body::from_stream(stream::iter(pieces.chain(broken)).then(move |piece| async move {
            tokio::time::sleep(pause).await;
            piece
        })))
    };
    vec![Box::new(export), Box::new(download)]
}

#[tokio::test]
async fn a_file_that_breaks_after_its_end_record_is_not_complete() {
    let many = |template: &str| vec![export_file(template, &["R00000000001"; 2000])];
    let replies = breaking(Duration::from_millis(50), many);
    let (_upstream, url) = Upstream::start(replies).await;
    let mut config = config(&url);
    config.download_waits.clear();
    let (client, _) = client(config);
    let mut rows = begun(&client).await;
    let mut shown = 0;
    let error = loop {
        match timeout(DEADLINE, rows.next()).await.unwrap() {
            Ok(step) => shown += usize::from(step.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ClientError::NoAnswer { answering: true, .. }), "{error}");
    assert_eq!(shown, 2000);
    assert_eq!(rows.finish().completeness, Completeness::Incomplete(Incompleteness::NoEnd));
}

#[tokio::test]
async fn a_download_that_trickles_is_given_up_in_the_end() {
    let trickle = |template: &str| vec![export_file(template, &["R1"]); 100];
    let (_upstream, url) = Upstream::start(breaking(Duration::from_millis(50), trickle)).await;
    let mut config = config(&url);
    config.timeouts.download = Duration::from_millis(400);
    let (client, _) = client(config);
    let error = read_all(&client).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { after, .. } if after == Duration::from_millis(400)), "{error}");
}

#[tokio::test]
async fn reports_are_asked_for_by_id_without_dates_and_states() {
    let (upstream, url) = exporting(vec![whole()]).await;
    let (client, _) = client(config(&url));
    let ids: Vec<String> = (0..MAX_REPORT_IDS).map(|n| format!("R{n:011}")).collect();
    let mut rows = client.report_rows(&ReportExport::by_ids(&ids)).await.unwrap();
    assert_eq!(told(&mut rows).await.len(), 3);
    let input = &upstream.seen()[0].description()["inputSettings"];
    assert_eq!(input["filters"]["reportIDList"], ids.join(","));
    assert_eq!((input["filters"].as_object().unwrap().len(), input.as_object().unwrap().len()), (1, 2));
}

#[tokio::test]
async fn an_account_with_nothing_in_it_is_read_whole() {
    let (_upstream, url) = exporting(vec![Box::new(|template| (200, export_file(template, &[])))]).await;
    let (client, _) = client(config(&url));
    let (reports, end) = read_all(&client).await.unwrap();
    assert_eq!((reports.len(), end.completeness, end.drift.len()), (0, Completeness::Complete, 0));
}
