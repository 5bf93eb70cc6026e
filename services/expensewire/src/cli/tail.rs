//! `events tail`: prints the log as it grows.

use clap::Args;
use event_model::Sequence;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    client::Client,
    events::{self, FilterArgs, MAX_PAGE, bootstrap},
    follow::{Start, Taker, explained, follow},
};
use crate::{
    exit::{Exit, Failure},
    output::{Format, Output, cell},
};

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
    let mut printer = Printer { output, left: args.count };
    let mut filter = args.filter.query(Timestamp::now());
    if args.from == Some(0) && !args.until_end {
        // Wherever the connection breaks, what follows is the rest of the state and then every change.
        filter.push(bootstrap());
    }
    let work = async {
        if args.until_end {
            until_end(client, args, filter, printer).await
        } else {
            let start = Start::of(args.from, args.filter.has_since());
            follow(client, start, &filter, &mut printer).await
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

impl Taker for Printer<'_> {
    async fn take(&mut self, text: &str) -> Result<bool, Failure> {
        self.print(text)
    }
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
