//! `events list|show|tail`.

use clap::{Args, Subcommand};
use event_model::{AccountName, Sequence, Subject, TypeGlob};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    client::{Client, Connection},
    since::Since,
    tail::{self, TailArgs},
};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Output},
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
        /// Its sequence, or its id (evt_…)
        #[arg(value_name = "EVENT")]
        event: String,
    },
    /// Follow the log; survives restarts of the service
    Tail(TailArgs),
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

pub(super) async fn run(connection: &Connection, command: &EventsCommand) -> Result<Exit, Failure> {
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match command {
        EventsCommand::List(args) => list(&client, args, &mut output).await,
        EventsCommand::Show { event } => {
            output.item(&client.get(&["events", event], &[]).await?)?;
            Ok(Exit::Ok)
        }
        EventsCommand::Tail(args) => tail::run(&client, args, &mut output).await,
    }
}

async fn list(client: &Client, args: &ListArgs, output: &mut Output) -> Result<Exit, Failure> {
    let filter = args.filter.query(Timestamp::now());
    let mut events = Vec::new();
    let mut after = Sequence(args.after);
    while events.len() < args.limit {
        let page = page(client, &filter, after, args.limit - events.len()).await?;
        events.extend(page.events);
        if page.next >= page.last {
            break;
        }
        after = page.next;
    }
    output.list(COLUMNS, &events)?;
    Ok(Exit::Ok)
}

/// A page of events.
pub(super) struct Page {
    pub events: Vec<Value>,
    /// The position that the page ends at.
    pub next: Sequence,
    /// The end of the log.
    pub last: Sequence,
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
    let mut answer = client.get(&["events"], &query).await?;
    let position = |name: &str| answer.get(name).and_then(Value::as_u64).map(Sequence);
    let (next, last) = (position("next"), position("last"));
    let events = answer.get_mut("events").map(Value::take);
    match (events, next, last) {
        // A page that leads nowhere would be asked for again and again.
        (Some(Value::Array(events)), Some(next), Some(last)) if next > after || next >= last => {
            Ok(Page { events, next, last })
        }
        _ => Err(Failure::new(Exit::Unexpected, "the answer is not a page of events")
            .hint("is the service of another version?")),
    }
}
