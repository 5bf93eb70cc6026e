//! `replay`, `replay start|list|show|follow|cancel`.

mod watch;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    client::{Client, Connection},
    since::Since,
};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Output, plain},
};

pub(super) use watch::{Watched, watch};

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

/// `replay`: begins one and follows it to its end; or what else can be done with replays.
#[derive(Args, Debug)]
#[command(subcommand_negates_reqs = true)]
pub struct ReplayArgs {
    /// To which subscription (sub_…)
    #[arg(long, value_name = "ID", required = true)]
    pub subscription: Option<String>,
    /// Which events.
    #[command(flatten)]
    pub span: SpanArgs,
    /// Begin it and do not wait for its end
    #[arg(long)]
    pub detach: bool,
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<ReplayCommand>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ReplayCommand {
    /// Begin one and do not wait for its end
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
    /// Follow one to its end
    Follow {
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
    /// Which events.
    #[command(flatten)]
    pub span: SpanArgs,
}

/// Which events are sent once more.
#[derive(Args, Debug)]
pub struct SpanArgs {
    /// After this sequence; 0 is the beginning
    #[arg(long, visible_alias = "after", value_name = "SEQ", required_unless_present_any = ["since", "entity", "failed"])]
    pub from: Option<u64>,
    /// What was observed since then: a time, or how long ago, like 2h
    #[arg(long, value_name = "TIME", conflicts_with = "from")]
    since: Option<Since>,
    /// Up to this sequence; else up to the subscription's cursor
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,
    /// Only events about this entity, like report/R00AbCdEf123
    #[arg(long, visible_alias = "subject", value_name = "KIND/ID")]
    pub entity: Option<String>,
    /// The account of the entity, or of what failed
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Only what was given up
    #[arg(long)]
    pub failed: bool,
    /// At most so many a second, beside what is new
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// Tell how many events it would be and which span, and send nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl SpanArgs {
    fn body(&self, now: Timestamp) -> Value {
        let from = match (self.from, self.since) {
            (Some(0), _) => Some(json!("beginning")),
            (Some(after), _) => Some(json!(after)),
            (None, Some(since)) => Some(json!(since.seen_from(now).to_string())),
            (None, None) => None,
        };
        let fields = [
            ("from", from),
            ("to", self.to.map(Value::from)),
            ("subject", self.entity.clone().map(Value::from)),
            ("account", self.account.clone().map(Value::from)),
            ("failed", self.failed.then_some(Value::Bool(true))),
            ("rate_per_s", self.rate.map(Value::from)),
            ("dry_run", self.dry_run.then_some(Value::Bool(true))),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

pub(super) async fn run(connection: &Connection, args: &ReplayArgs) -> Result<Exit, Failure> {
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match (&args.command, &args.subscription) {
        (Some(_), Some(_)) => Err(Failure::new(Exit::Usage, "--subscription is for `replay` without a command")
            .hint("the commands take the subscription as their first argument")),
        (Some(command), None) => other(&client, command, &mut output).await,
        (None, Some(subscription)) => {
            let made = begun(&client, subscription, &args.span).await?;
            if args.detach || args.span.dry_run {
                output.item(&made)?;
                return Ok(Exit::Ok);
            }
            watch(&client, subscription, made, Watched::ToItsEnd, &mut output).await
        }
        // The parser asks for one of the two.
        (None, None) => Err(Failure::new(Exit::Usage, "say to which --subscription")),
    }
}

async fn begun(client: &Client, subscription: &str, span: &SpanArgs) -> Result<Value, Failure> {
    client
        .post(&[OF, subscription, "replay"], Some(&span.body(Timestamp::now())))
        .await
        .map_err(with_hint(subscription))
}

async fn other(client: &Client, command: &ReplayCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        ReplayCommand::Start(args) => output.item(&begun(client, &args.subscription, &args.span).await?)?,
        ReplayCommand::List { subscription } => {
            let mut listed: Value = client.get(&[OF, subscription, "replays"], &[]).await?;
            let Some(Value::Array(replays)) = listed.get_mut("replays").map(Value::take) else {
                return Err(Failure::new(Exit::Unexpected, "the answer is not a list of replays"));
            };
            output.list(COLUMNS, &replays)?;
        }
        ReplayCommand::Show { subscription, id } => {
            let shown: Value =
                client.get(&[OF, subscription, "replays", id], &[]).await.map_err(with_hint(subscription))?;
            output.item(&shown)?;
        }
        ReplayCommand::Follow { subscription, id } => {
            let shown: Value =
                client.get(&[OF, subscription, "replays", id], &[]).await.map_err(with_hint(subscription))?;
            return watch(client, subscription, shown, Watched::ToItsEnd, output).await;
        }
        ReplayCommand::Cancel { subscription, id } => {
            output.item(
                &client
                    .post(&[OF, subscription, "replays", id, "cancel"], None)
                    .await
                    .map_err(with_hint(subscription))?,
            )?;
        }
    }
    Ok(Exit::Ok)
}

/// What went wrong with a replay of `subscription`, and where those that there are can be seen.
fn with_hint(subscription: &str) -> impl Fn(Failure) -> Failure {
    move |failure| match failure.exit {
        Exit::NotFound | Exit::Conflict if failure.hint.is_none() => {
            failure.hint(format!("`expensewire replay list {}` shows what runs", plain(subscription)))
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
        args: ReplayArgs,
    }

    fn parsed(words: &[&str]) -> Result<ReplayArgs, clap::Error> {
        Line::try_parse_from([&["x"], words].concat()).map(|line| line.args)
    }

    /// The body that `replay` and `replay start` both make of `words`.
    fn body(words: &[&str]) -> Result<Value, clap::Error> {
        let now = "2026-04-02T12:00:00Z".parse().unwrap();
        let bare = parsed(&[&["--subscription", "sub_1"], words].concat())?;
        let Some(ReplayCommand::Start(start)) = parsed(&[&["start", "sub_1"], words].concat())?.command else {
            panic!("a start")
        };
        assert_eq!(bare.span.body(now), start.span.body(now));
        Ok(start.span.body(now))
    }

    #[test]
    fn what_is_typed_becomes_the_body_of_a_replay() {
        assert_eq!(body(&["--after", "0"]).unwrap(), json!({"from": "beginning"}));
        assert_eq!(body(&["--from", "0"]).unwrap(), json!({"from": "beginning"}));
        let narrow = ["--from", "7", "--to", "9", "--rate", "5", "--dry-run"];
        assert_eq!(body(&narrow).unwrap(), json!({"from": 7, "to": 9, "rate_per_s": 5, "dry_run": true}));
        assert_eq!(body(&["--since", "2h"]).unwrap(), json!({"from": "2026-04-02T10:00:00Z"}));
        let entity = body(&["--entity", "report/R1", "--account", "acme"]).unwrap();
        assert_eq!(entity, json!({"subject": "report/R1", "account": "acme"}));
        assert_eq!(body(&["--failed"]).unwrap(), json!({"failed": true}));
        for wrong in [&[][..], &["--after", "1", "--since", "2h"], &["--after", "soon"]] {
            assert!(body(wrong).is_err(), "{wrong:?}");
        }
        assert!(parsed(&["--from", "3"]).is_err(), "to nobody");
        assert!(parsed(&["list", "sub_1"]).unwrap().command.is_some(), "no span is asked for");
    }
}
