//! `replay start|list|show|cancel`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    client::{Client, Connection},
    since::Since,
};
use crate::{
    exit::{Exit, Failure},
    output::Column,
};

const OF: &str = "subscriptions";

const COLUMNS: &[Column] = &[
    Column { head: "ID", pointer: "/id" },
    Column { head: "STATE", pointer: "/state" },
    Column { head: "CURSOR", pointer: "/cursor" },
    Column { head: "UP TO", pointer: "/up_to" },
    Column { head: "EVENTS", pointer: "/count" },
    Column { head: "DELIVERED", pointer: "/delivered" },
    Column { head: "FAILED", pointer: "/failed" },
    Column { head: "STARTED", pointer: "/created_at" },
];

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ReplayCommand {
    /// Send events once more: same ids, fresh timestamps, beside what is new
    Start(StartArgs),
    /// List the replays of a subscription
    List {
        /// The subscription (sub_…)
        subscription: String,
    },
    /// Show how far one has come
    Show {
        /// The subscription (sub_…)
        subscription: String,
        /// Its id (rpl_…)
        id: String,
    },
    /// End one; what was sent stays sent
    Cancel {
        /// The subscription (sub_…)
        subscription: String,
        /// Its id (rpl_…)
        id: String,
    },
}

/// `replay start`.
#[derive(Args, Debug)]
pub struct StartArgs {
    /// The subscription (sub_…)
    pub subscription: String,
    /// After this sequence; 0 is the beginning
    #[arg(long, value_name = "SEQUENCE", required_unless_present_any = ["since", "subject", "failed"])]
    pub after: Option<u64>,
    /// What was observed since then: a time, or how long ago, like 2h
    #[arg(long, value_name = "TIME", conflicts_with = "after")]
    since: Option<Since>,
    /// Up to this sequence; else up to the subscription's cursor
    #[arg(long, value_name = "SEQUENCE")]
    pub to: Option<u64>,
    /// Only events about this entity, like report/R00AbCdEf123
    #[arg(long)]
    pub subject: Option<String>,
    /// The account of the entity, or of what failed
    #[arg(long)]
    pub account: Option<String>,
    /// Only what was given up
    #[arg(long)]
    pub failed: bool,
    /// At most so many a second, beside what is new
    #[arg(long, value_name = "PER SECOND")]
    pub rate: Option<u32>,
    /// Tell how many events it would be and which span, and send nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl StartArgs {
    fn body(&self, now: Timestamp) -> Value {
        let from = match (self.after, self.since) {
            (Some(0), _) => Some(json!("beginning")),
            (Some(after), _) => Some(json!(after)),
            (None, Some(since)) => Some(json!(since.seen_from(now).to_string())),
            (None, None) => None,
        };
        let fields = [
            ("from", from),
            ("to", self.to.map(Value::from)),
            ("subject", self.subject.clone().map(Value::from)),
            ("account", self.account.clone().map(Value::from)),
            ("failed", self.failed.then_some(Value::Bool(true))),
            ("rate_per_s", self.rate.map(Value::from)),
            ("dry_run", self.dry_run.then_some(Value::Bool(true))),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

pub(super) async fn run(connection: &Connection, command: &ReplayCommand) -> Result<Exit, Failure> {
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match command {
        ReplayCommand::Start(args) => {
            let path = [OF, args.subscription.as_str(), "replay"];
            output.item(&client.post(&path, Some(&args.body(Timestamp::now()))).await.map_err(with_hint)?)?;
        }
        ReplayCommand::List { subscription } => {
            let mut listed: Value = client.get(&[OF, subscription, "replays"], &[]).await?;
            let Some(Value::Array(replays)) = listed.get_mut("replays").map(Value::take) else {
                return Err(Failure::new(Exit::Unexpected, "the answer is not a list of replays"));
            };
            output.list(COLUMNS, &replays)?;
        }
        ReplayCommand::Show { subscription, id } => {
            let shown: Value = client.get(&[OF, subscription, "replays", id], &[]).await.map_err(with_hint)?;
            output.item(&shown)?;
        }
        ReplayCommand::Cancel { subscription, id } => {
            output.item(&client.post(&[OF, subscription, "replays", id, "cancel"], None).await.map_err(with_hint)?)?;
        }
    }
    Ok(Exit::Ok)
}

fn with_hint(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound | Exit::Conflict => {
            failure.hint("`expensewire replay list` shows the replays of a subscription")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: StartArgs,
    }

    fn body(words: &[&str]) -> Result<Value, clap::Error> {
        let line = Line::try_parse_from([&["x", "sub_1"], words].concat())?;
        Ok(line.args.body("2026-04-02T12:00:00Z".parse().unwrap()))
    }

    #[test]
    fn what_is_typed_becomes_the_body_of_a_replay() {
        assert_eq!(body(&["--after", "0"]).unwrap(), json!({"from": "beginning"}));
        let narrow = ["--after", "7", "--to", "9", "--rate", "5", "--dry-run"];
        assert_eq!(body(&narrow).unwrap(), json!({"from": 7, "to": 9, "rate_per_s": 5, "dry_run": true}));
        assert_eq!(body(&["--since", "2h"]).unwrap(), json!({"from": "2026-04-02T10:00:00Z"}));
        let entity = body(&["--subject", "report/R1", "--account", "acme"]).unwrap();
        assert_eq!(entity, json!({"subject": "report/R1", "account": "acme"}));
        assert_eq!(body(&["--failed"]).unwrap(), json!({"failed": true}));
        for wrong in [&[][..], &["--after", "1", "--since", "2h"], &["--after", "soon"]] {
            assert!(body(wrong).is_err(), "{wrong:?}");
        }
    }
}
