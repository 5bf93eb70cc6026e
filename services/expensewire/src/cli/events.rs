//! `events list|show|tail|resend|export|import`.

mod resend;

use std::{fmt, str::FromStr};

use clap::{Args, Subcommand};
use event_model::{AccountName, EventId, Sequence, Subject, TypeGlob};
use jiff::Timestamp;
pub use resend::ResendArgs;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use url::form_urlencoded;

use super::{
    backup::{self, ExportArgs, ImportArgs},
    client::{Client, Connection},
    since::Since,
    tail::{self, TailArgs},
};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Format, Output},
};

/// Most events of one page of the API.
pub(super) const MAX_PAGE: usize = 1000;

const COLUMNS: &[Column] = &[
    Column { head: "SEQUENCE", pointer: "/sequence" },
    Column { head: "TIMESTAMP", pointer: "/timestamp" },
    Column { head: "TYPE", pointer: "/type" },
    Column { head: "ACCOUNT", pointer: "/account" },
    Column { head: "SUBJECT", pointer: "/subject" },
    Column { head: "CHANGED", pointer: "/data/changed" },
];

/// The commands.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List events of the log, oldest first
    List(ListArgs),
    /// Show one event whole
    Show {
        /// Its id (the webhook-id of a delivery), or its sequence
        #[arg(value_name = "ID|SEQ")]
        event: EventRef,
    },
    /// Follow the log; survives restarts of the service
    Tail(TailArgs),
    /// Send one event to one subscription once more, under the same id
    Resend(ResendArgs),
    /// Write events as they were signed, with what is needed to verify them
    Export(ExportArgs),
    /// Put exported events into a store, after its last one
    Import(ImportArgs),
}

/// `events list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only events after this sequence
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    pub after: u64,
    /// At most so many events
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: usize,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Which events are wanted. Without any of these, all.
#[derive(Args, Clone, Debug)]
pub struct FilterArgs {
    /// Only events of these types, as in report.* or *.snapshot; may be repeated
    #[arg(long = "type", value_name = "GLOB", value_delimiter = ',')]
    pub types: Vec<TypeGlob>,
    /// Only events of this account
    #[arg(long, value_name = "NAME")]
    pub account: Option<AccountName>,
    /// Only events about this entity, as in report/R00AbCdEf123
    #[arg(long, value_name = "KIND/ID")]
    pub subject: Option<Subject>,
    /// Only what was observed since then: a time, or how long ago, like 2h
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
}

impl FilterArgs {
    /// The parameters of the API's query.
    pub(super) fn query(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut query: Vec<_> = self.types.iter().map(|glob| ("type", glob.to_string())).collect();
        query.extend(self.account.iter().map(|account| ("account", account.to_string())));
        query.extend(self.subject.iter().map(|subject| ("subject", subject.to_string())));
        query.extend(self.since.map(|since| ("since", since.seen_from(now).to_string())));
        query
    }

    /// Whether a time is given to begin at.
    pub(super) const fn has_since(&self) -> bool {
        self.since.is_some()
    }
}

/// Which event: one name of the two that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventRef {
    /// Its id.
    Id(EventId),
    /// Its sequence.
    At(Sequence),
}

impl FromStr for EventRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let sequence = text.parse().map(|sequence| Self::At(Sequence(sequence)));
        sequence.map_err(|_| "must be an event's id (evt_…) or its sequence, a whole number")
    }
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::At(sequence) => sequence.fmt(f),
        }
    }
}

pub(super) async fn run(connection: &Connection, command: &EventsCommand) -> Result<Exit, Failure> {
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match command {
        EventsCommand::List(args) => list(&client, args, &mut output).await,
        EventsCommand::Show { event } => {
            let event = shown(&client, event).await?;
            match output.format() {
                Format::Ndjson => output.line(event.get())?,
                Format::Table | Format::Json => output.item(&parsed(&event)?)?,
            }
            Ok(Exit::Ok)
        }
        EventsCommand::Tail(args) => tail::run(&client, args, &mut output).await,
        EventsCommand::Resend(args) => resend::run(&client, args, &mut output).await,
        EventsCommand::Export(args) => backup::export(&client, args).await,
        EventsCommand::Import(args) => backup::import(args).await,
    }
}

/// The bytes of one event, as they were signed.
async fn shown(client: &Client, event: &EventRef) -> Result<Box<RawValue>, Failure> {
    client.get(&["events", &event.to_string()], &[]).await.map_err(|failure| match failure.exit {
        Exit::NotFound if failure.hint.is_none() => {
            failure.hint("`expensewire events list` shows those that there are; retention may have removed it")
        }
        _ => failure,
    })
}

async fn list(client: &Client, args: &ListArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut filter = args.filter.query(Timestamp::now());
    let (mut events, mut left) = (Vec::new(), args.limit);
    let mut after = Sequence(args.after);
    while left > 0 {
        let page = page(client, &filter, after, left).await?;
        left = left.saturating_sub(page.events.len());
        page.carry(&mut filter);
        match output.format() {
            // The bytes that were signed, page by page.
            Format::Ndjson => page.events.iter().try_for_each(|event| output.line(event.get()))?,
            Format::Table | Format::Json => events.extend(page.events),
        }
        if page.next >= page.last {
            break;
        }
        after = page.next;
    }
    if output.format() != Format::Ndjson {
        let events = events.iter().map(|event| parsed(event)).collect::<Result<Vec<_>, _>>()?;
        output.list(COLUMNS, &events)?;
    }
    Ok(Exit::Ok)
}

fn parsed(event: &RawValue) -> Result<Value, Failure> {
    serde_json::from_str(event.get())
        .map_err(|error| Failure::new(Exit::Unexpected, format!("the answer holds no event: {error}")))
}

/// A page of events, each as the bytes that were signed.
#[derive(Deserialize)]
pub(super) struct Page {
    pub events: Vec<Box<RawValue>>,
    /// The position that the page ends at.
    pub next: Sequence,
    /// The end of the log.
    pub last: Sequence,
    /// The query of the following page.
    #[serde(default)]
    next_query: String,
}

impl Page {
    /// Has `filter` ask for the following page as this one says: while it gives what retention left of the beginning, the
    /// position may lie where events were removed.
    pub fn carry(&self, filter: &mut Vec<(&'static str, String)>) {
        filter.retain(|(name, _)| *name != BOOTSTRAP.0);
        if form_urlencoded::parse(self.next_query.as_bytes()).any(|(name, value)| (&*name, &*value) == BOOTSTRAP) {
            filter.push(bootstrap());
        }
    }
}

const BOOTSTRAP: (&str, &str) = ("bootstrap", "true");

/// The parameter that asks for what retention left of the beginning, as state.
pub(super) fn bootstrap() -> (&'static str, String) {
    (BOOTSTRAP.0, BOOTSTRAP.1.to_owned())
}

/// The events after `after`, at most `limit` of them. With a filter a page may be empty and not yet the last.
pub(super) async fn page(
    client: &Client,
    filter: &[(&str, String)],
    after: Sequence,
    limit: usize,
) -> Result<Page, Failure> {
    let mut query = filter.to_vec();
    query.push(("after", after.to_string()));
    query.push(("limit", limit.clamp(1, MAX_PAGE).to_string()));
    let page: Page = client.get(&["events"], &query).await?;
    if page.next > after || page.next >= page.last {
        return Ok(page);
    }
    // Asked for again and again, it would never end.
    Err(Failure::new(Exit::Unexpected, "the answer is a page of events that leads nowhere"))
}
