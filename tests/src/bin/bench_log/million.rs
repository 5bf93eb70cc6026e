//! The long log: its size, its replay through the store and through HTTP, its start after kill -9, and the memory of it all.

use std::{
    env, fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, header::LINK};
use serde_json::{Value, json};
use tests::log_proof::api::KEY;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::{
    child::Role,
    place::Place,
    verdict::{self, Verdict, rounded},
};

/// How long a child may take to say its next word: a slow disk and a slow build, with room.
const LIMIT: Duration = Duration::from_secs(1800);
/// How long the writer goes on after the events that count, so that it is killed while it writes.
const KILLED_AFTER: Duration = Duration::from_millis(300);
const PAGE: usize = 1_000;

/// Fills a store in `place`, kills its writer, reads it, and holds what it cost to the bounds.
pub async fn measure(place: &Place, events: u64, verdict: &mut Verdict) -> Result<()> {
    let folder = place.folder()?;
    let of = |what: &str| format!("{}: {what}", place.kind);
    let fill_peak = fill(place, folder.path(), events).await?;

    let mut reader = Talking::start(Role::Read, folder.path(), events)?;
    let opened = reader.hear().await?;
    let (last, bytes) = (number(&opened, "last")?, number(&opened, "disk_bytes")?);
    ensure!(last >= events as f64, "{last} events are there of {events} that were acknowledged");
    let open_s = number(&opened, "open_s")?;
    println!(
        "{}",
        json!({ "bench": "log", "what": "open", "place": place.kind.to_string(), "after": "kill -9", "took_s": rounded(open_s) })
    );
    let per_event = bytes / last;
    let size = json!({
        "bench": "log", "what": "size", "place": place.kind.to_string(), "events": last, "bytes_per_event": rounded(per_event),
        "allocated_per_event": rounded(allocated(folder.path())? / last),
    });
    println!("{size}");

    let scanned = reader.hear().await?;
    let per_s = number(&scanned, "events")? / number(&scanned, "scan_s")?;
    let body = number(&scanned, "bytes")? / last;
    let scan = json!({ "bench": "log", "what": "scan", "place": place.kind.to_string(), "per_s": rounded(per_s), "json_bytes_per_event": rounded(body) });
    println!("{scan}");

    let address = reader.hear().await?["address"].as_str().context("an address")?.to_owned();
    let start = Instant::now();
    let pages = pull(&address, last as u64).await?;
    let http_per_s = last / start.elapsed().as_secs_f64();
    let peak = fill_peak.max(reader.peak_mib()?);
    println!(
        "{}",
        json!({ "bench": "log", "what": "http", "place": place.kind.to_string(), "per_s": rounded(http_per_s), "pages": pages,
            "peak_mib": rounded(reader.peak_mib()?) })
    );
    reader.end().await?;

    verdict.at_most(of("bytes on disk per event"), per_event, verdict::BYTES_PER_EVENT);
    verdict.at_least(of("events a second through the store"), per_s, verdict::SCAN_PER_S);
    verdict.at_least(of("events a second through GET /v1/events"), http_per_s, verdict::HTTP_PER_S);
    verdict.at_most(of("seconds to open after kill -9"), open_s, verdict::OPEN_S);
    verdict.at_most(of("peak memory in MiB"), peak, verdict::PEAK_MIB);
    Ok(())
}

/// Lets a child append `events`, and kills it while it appends more. Gives its peak memory.
async fn fill(place: &Place, folder: &Path, events: u64) -> Result<f64> {
    let mut writer = Talking::start(Role::Fill, folder, events)?;
    let filled = writer.hear().await?;
    // What is measured is a kill at some moment of appending; there is nothing to wait for.
    sleep(KILLED_AFTER).await;
    let peak = writer.peak_mib()?;
    writer.kill().await?;
    let per_s = events as f64 / number(&filled, "took_s")?;
    let line = json!({
        "bench": "log", "what": "fill", "place": place.kind.to_string(), "batch": 1_000, "writers": 1, "events": events,
        "per_s_with_making": rounded(per_s), "peak_mib": rounded(peak),
    });
    println!("{line}");
    Ok(peak)
}

/// Pulls everything, page by page, as a consumer does: each page read whole, the next found by its link. Gives the pages.
async fn pull(address: &str, last: u64) -> Result<u64> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;
    let mut next = Some(format!("/v1/events?after=0&limit={PAGE}"));
    let (mut pages, mut at) = (0, 0);
    while let Some(path) = next {
        let answer = client.get(format!("http://{address}{path}")).bearer_auth(KEY).send().await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        next = match answer.headers().get(LINK) {
            Some(link) => Some(next_page(link.to_str()?)?.to_owned()),
            None => None,
        };
        let body = answer.bytes().await?;
        ensure!(body.len() > PAGE.min((last - at) as usize) * 100, "a page of {} bytes after {at}", body.len());
        at = (at + PAGE as u64).min(last);
        pages += 1;
    }
    ensure!(at == last, "the pages ended at {at} of {last}");
    Ok(pages)
}

/// The target of the first link.
fn next_page(link: &str) -> Result<&str> {
    let (target, rest) = link.trim_start_matches('<').split_once('>').context("a link")?;
    ensure!(rest.contains("next"), "another link: {link}");
    Ok(target)
}

/// Bytes that the files of a folder really take.
#[cfg(unix)]
fn allocated(folder: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt;
    let blocks = fs::read_dir(folder)?.map(|file| Ok(file?.metadata()?.blocks())).sum::<std::io::Result<u64>>()?;
    Ok((blocks * 512) as f64)
}

#[cfg(not(unix))]
fn allocated(_: &Path) -> Result<f64> {
    Ok(f64::NAN)
}

/// A child and its words, one JSON line each. Dropping it kills it.
struct Talking {
    child: Child,
    words: Lines<BufReader<ChildStdout>>,
    _input: ChildStdin,
}

impl Talking {
    fn start(role: Role, store: &Path, events: u64) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(["--role", role.name(), "--events", &events.to_string(), "--store"])
            .arg(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let words = BufReader::new(child.stdout.take().context("standard output")?).lines();
        let input = child.stdin.take().context("standard input")?;
        Ok(Self { child, words, _input: input })
    }

    async fn hear(&mut self) -> Result<Value> {
        let line = timeout(LIMIT, self.words.next_line()).await.context("the child says nothing")??;
        let Some(line) = line else { bail!("the child ended: {}", self.child.wait().await?) };
        Ok(serde_json::from_str(&line)?)
    }

    /// The most memory that it held, as Linux tells it.
    fn peak_mib(&self) -> Result<f64> {
        let id = self.child.id().context("the child has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).context("peak memory is known on Linux alone")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a peak")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn end(self) -> Result<()> {
        let Self { mut child, _input, .. } = self;
        drop(_input);
        let ended = timeout(LIMIT, child.wait()).await.context("the child does not end")??;
        ensure!(ended.success(), "the child ended with {ended}");
        Ok(())
    }
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value[name].as_f64().with_context(|| format!("{name} in {value}"))
}
