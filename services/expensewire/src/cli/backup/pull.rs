//! Copying from a running service into a file.

mod sink;

use std::time::Duration;

use event_model::Sequence;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

pub(super) use self::sink::Sink;
use super::ledger::{Header, Kind, LineError, VERSION};
use crate::{
    cli::{client::Client, lines::Trouble},
    exit::{Exit, Failure},
};

/// How often an export that broke off is taken up again without anything having come meanwhile.
const MAX_TRIES: u32 = 6;
/// Pause before the first of these; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A line of the service that is no event: what differs from the lines of a file.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    expensewire: String,
    #[serde(default)]
    last: Sequence,
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    horizon: Sequence,
    #[serde(default)]
    rows: u64,
    problem: Option<Trouble>,
}

/// One copy in the making.
pub(in crate::cli) struct Pull<'a> {
    client: &'a Client,
    sink: Sink,
}

impl<'a> Pull<'a> {
    pub fn new(client: &'a Client, sink: Sink) -> Self {
        Self { client, sink }
    }

    /// The events, up to `to` or to what is the last one now.
    pub async fn events(mut self, to: Option<Sequence>) -> Result<(), Failure> {
        let horizon = self.all_events(to).await?;
        self.sink.finish(horizon)
    }

    /// Everything; says what there was.
    pub async fn backup(mut self) -> Result<Value, Failure> {
        self.all_events(None).await?;
        let rows = self.tables().await?;
        // What happened meanwhile: the tables may know of it already.
        let horizon = self.all_events(None).await?;
        let last = self.sink.ledger.at;
        let link = self.sink.ledger.link.map(|link| link.to_string());
        self.sink.finish(horizon)?;
        Ok(json!({ "last": last, "link": link, "rows": rows }))
    }

    /// Goes on with the events until they are all there; the horizon of the log then.
    async fn all_events(&mut self, to: Option<Sequence>) -> Result<Sequence, Failure> {
        let (mut tries, mut pause) = (0, FIRST_PAUSE);
        loop {
            let before = self.sink.ledger.at;
            match self.some_events(to).await {
                Ok(horizon) => return Ok(horizon),
                Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::Limited) => {
                    if self.sink.ledger.at > before {
                        (tries, pause) = (0, FIRST_PAUSE);
                    }
                    tries += 1;
                    if tries == MAX_TRIES {
                        return Err(failure.hint("run the same command again: it goes on where it was cut short"));
                    }
                }
                Err(failure) => return Err(failure),
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn some_events(&mut self, to: Option<Sequence>) -> Result<Sequence, Failure> {
        let mut query = vec![("after", self.sink.ledger.at.to_string())];
        query.extend(to.map(|to| ("to", to.to_string())));
        let mut lines = self.client.lines(Method::GET, &["log", "export"], &query).await?;
        while let Some(line) = lines.next().await? {
            if line.starts_with(b"{\"id\":") || line.starts_with(b"{\"expensewire\":\"link\"") {
                self.sink.line(&line)?;
                continue;
            }
            let told = understood(&line)?;
            match told.expensewire.as_str() {
                "events" => self.begin(told.link)?,
                "end" => {
                    self.sink.stands_at(told.last, told.link)?;
                    return Ok(told.horizon);
                }
                _ => return Err(not_understood()),
            }
        }
        Err(cut_short())
    }

    /// Writes the first line, or checks that what is there is of the same log.
    fn begin(&mut self, link: Option<String>) -> Result<(), Failure> {
        let Some(_) = self.sink.ledger.kind else {
            let created_at = (self.sink.kind == Kind::Backup).then(|| Timestamp::now().to_string());
            let (kind, after) = (self.sink.kind, self.sink.after);
            return self.sink.header(&Header { kind, version: VERSION, after, link, created_at });
        };
        match (link, self.sink.ledger.link) {
            (Some(told), Some(here)) if told != here.to_string() => {
                let what = "what is there already is not of the log of this service";
                Err(Failure::new(Exit::Conflict, what).hint("remove the .part file to begin anew"))
            }
            _ => Ok(()),
        }
    }

    async fn tables(&mut self) -> Result<u64, Failure> {
        let mut lines = self.client.lines(Method::GET, &["log", "tables"], &[]).await?;
        let mut rows = 0;
        while let Some(line) = lines.next().await? {
            if line.starts_with(b"{\"expensewire\":\"row\"") {
                self.sink.line(&line)?;
                rows += 1;
                continue;
            }
            let told = understood(&line)?;
            if told.expensewire == "rows" && told.rows == rows {
                return Ok(rows);
            }
            return Err(not_understood());
        }
        Err(cut_short().hint("run the same command again: it goes on where it was cut short"))
    }
}

fn understood(line: &[u8]) -> Result<Told, Failure> {
    let told: Told = serde_json::from_slice(line).map_err(|_| not_understood())?;
    match told.problem {
        Some(problem) => Err(problem.failure()),
        None => Ok(told),
    }
}

fn not_understood() -> Failure {
    Failure::new(Exit::Unexpected, "the answer has a line that is not understood")
        .hint("is the service of the same version as this program?")
}

fn cut_short() -> Failure {
    Failure::new(Exit::Unreachable, "the service ended its answer early")
}

/// The service sent something that does not follow.
fn does_not_follow(error: LineError) -> Failure {
    Failure::new(Exit::CheckFailed, format!("what the service sent does not follow: {:#}", anyhow::Error::new(error)))
}
