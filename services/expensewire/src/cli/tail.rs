//! `events tail`: follows the log over server-sent events.
//!
//! The position is the sequence of the last event printed, or the one that the service told since. When the connection
//! breaks, also because the service restarts, it is opened again from there: nothing is printed twice and nothing left
//! out. Only what waiting cannot mend (a wrong key, a position that is gone) ends it.

use std::time::Duration;

use clap::Args;
use event_model::Sequence;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    client::Client,
    events::{self, FilterArgs, MAX_PAGE, Page, bootstrap},
    sse::Parser,
};
use crate::{
    exit::{Exit, Failure},
    output::{Format, Output, cell},
};

const PATH: &[&str] = &["events", "stream"];

/// First pause before connecting again: a service that restarts is back within a second or two.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause: a person who restarts a service should not wait longer for its events.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// `events tail`.
#[derive(Args, Debug)]
pub struct TailArgs {
    /// Begin after this sequence; 0 is the beginning: of what was removed the last event of each entity, then all. Without this and --since: from now on, or with --until-end the
    /// whole log
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,
    /// Stop at what is the end of the log now
    #[arg(long)]
    pub until_end: bool,
    /// Stop after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterArgs,
}

pub(super) async fn run(client: &Client, args: &TailArgs, output: &mut Output) -> Result<Exit, Failure> {
    let printer = Printer { output, left: args.count };
    let mut filter = args.filter.query(Timestamp::now());
    if args.from == Some(0) && !args.until_end {
        // Wherever the connection breaks, what follows is the rest of the state and then every change.
        filter.push(bootstrap());
    }
    let work = async {
        if args.until_end {
            until_end(client, args, filter, printer).await
        } else {
            follow(client, args, &filter, printer).await
        }
    };
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

/// Prints events, counting down to the last one wanted.
struct Printer<'a> {
    output: &'a mut Output,
    left: Option<u64>,
}

impl Printer<'_> {
    /// Prints the event, whose JSON is `text`; `false` when it was the last one wanted.
    #[must_use = "the last event wanted ends the command"]
    fn print(&mut self, text: &str) -> Result<bool, Failure> {
        match self.output.format() {
            Format::Json | Format::Ndjson => self.output.line(text)?,
            Format::Table => self.output.line(&row(text)?)?,
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(self.left != Some(0))
    }
}

/// One event in a line. The columns are of fixed width: what comes next is not known.
fn row(text: &str) -> Result<String, Failure> {
    let event: Value = serde_json::from_str(text)
        .map_err(|_| Failure::new(Exit::Unexpected, "the stream holds something that is not an event"))?;
    let at = |pointer: &str| event.pointer(pointer).map_or_else(|| "-".to_owned(), cell);
    let [sequence, time, kind] = [at("/sequence"), at("/timestamp"), at("/type")];
    let [account, subject, changed] = [at("/account"), at("/subject"), at("/data/changed")];
    Ok(format!("{sequence:>8}  {time:<20}  {kind:<30}  {account:<12}  {subject:<28}  {changed}").trim_end().to_owned())
}

/// Reads page by page to where the log ends when the first page is read.
async fn until_end(
    client: &Client,
    args: &TailArgs,
    mut filter: Vec<(&'static str, String)>,
    mut printer: Printer<'_>,
) -> Result<Exit, Failure> {
    let mut after = args.from.map_or(Sequence::START, Sequence);
    let mut end = None;
    loop {
        let page = match events::page(client, &filter, after, MAX_PAGE).await {
            Ok(page) => page,
            Err(failure) => return Err(explained(client, Some(after), failure).await),
        };
        let end = *end.get_or_insert(page.last);
        page.carry(&mut filter);
        for event in page.events {
            if sequence(event.get()).is_none_or(|sequence| sequence > end) || !printer.print(event.get())? {
                return Ok(Exit::Ok);
            }
        }
        if page.next >= end {
            return Ok(Exit::Ok);
        }
        after = page.next;
    }
}

fn sequence(event: &str) -> Option<Sequence> {
    #[derive(Deserialize)]
    struct Place {
        sequence: Sequence,
    }
    serde_json::from_str::<Place>(event).ok().map(|place| place.sequence)
}

/// How one connection ended.
enum Ended {
    /// Everything wanted is printed.
    Done,
    /// It broke after it had stood; whether anything came over it.
    Broken { why: String, moved: bool },
}

/// Follows the log until everything wanted is printed.
async fn follow(
    client: &Client,
    args: &TailArgs,
    filter: &[(&str, String)],
    mut printer: Printer<'_>,
) -> Result<Exit, Failure> {
    let mut position = match args.from {
        Some(sequence) => Some(sequence.to_string()),
        None if args.filter.has_since() => None,
        // The end of the log is fixed now, so that a break before the first event loses nothing.
        None => Some(events::page(client, &[], Sequence::START, 1).await?.last.to_string()),
    };
    let mut connected = false;
    let mut pause = FIRST_PAUSE;
    loop {
        let why = match once(client, filter, &mut position, &mut printer).await {
            Ok(Ended::Done) => return Ok(Exit::Ok),
            Ok(Ended::Broken { why, moved }) => {
                connected = true;
                if moved {
                    pause = FIRST_PAUSE;
                }
                why
            }
            Err(failure) if connected && passes(&failure) => failure.what,
            Err(failure) => {
                let position = position.and_then(|id| id.parse().ok()).map(Sequence);
                return Err(explained(client, position, failure).await);
            }
        };
        if pause == FIRST_PAUSE {
            eprintln!("the stream broke ({why}); connecting again");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// `failure`, or in its place that `position` is beyond the log. That is seen from the log, which is asked where it ends:
/// the refusal names the parameter of a request, which nobody typed.
async fn explained(client: &Client, position: Option<Sequence>, failure: Failure) -> Failure {
    let Some(position) = position.filter(|_| failure.exit == Exit::Usage) else { return failure };
    match events::page(client, &[], Sequence::START, 1).await {
        Ok(Page { last, .. }) if position > last => {
            Failure::new(Exit::Usage, format!("position {position} is beyond the log, which ends at {last}"))
                .hint(format!("the log was probably restored from a backup; `--from {last}` goes on at its end"))
        }
        Ok(_) | Err(_) => failure,
    }
}

/// Whether waiting may mend it: a service that is away, busy or stopping.
fn passes(failure: &Failure) -> bool {
    match failure.exit {
        Exit::Unreachable | Exit::Limited => true,
        Exit::Ok
        | Exit::Unexpected
        | Exit::Usage
        | Exit::NotFound
        | Exit::Permission
        | Exit::CheckFailed
        | Exit::Conflict
        | Exit::Interrupted => false,
    }
}

/// One connection, from the position on; the position moves with what is printed.
async fn once(
    client: &Client,
    filter: &[(&str, String)],
    position: &mut Option<String>,
    printer: &mut Printer<'_>,
) -> Result<Ended, Failure> {
    let mut stream = client.stream(PATH, filter, position.as_deref()).await?;
    let mut parser = Parser::default();
    let mut moved = false;
    loop {
        let chunk = match stream.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(Ended::Broken { why: "the service ended it".to_owned(), moved }),
            Err(error) => return Ok(Ended::Broken { why: client.unreachable(&error).what, moved }),
        };
        let messages = parser.push(&chunk).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        for message in messages {
            if !printer.print(&message.data)? {
                return Ok(Ended::Done);
            }
        }
        // Also moved by an id without data: the service passed over events that are not wanted.
        if let Some(id) = parser.last_id().filter(|id| position.as_deref() != Some(*id)) {
            *position = Some(id.to_owned());
            moved = true;
        }
    }
}
