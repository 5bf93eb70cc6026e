//! `deliveries list|show|retry`.

use clap::Subcommand;
use serde_json::Value;

use super::client::{Client, Connection};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Output},
};

const PATH: &str = "deliveries";
const OF: &str = "subscriptions";

const COLUMNS: &[Column] = &[
    Column { head: "ID", pointer: "/id" },
    Column { head: "STATE", pointer: "/state" },
    Column { head: "TYPE", pointer: "/event/type" },
    Column { head: "SUBJECT", pointer: "/event/subject" },
    Column { head: "ATTEMPTS", pointer: "/attempts" },
    Column { head: "SINCE", pointer: "/since" },
    Column { head: "NEXT", pointer: "/next_attempt_at" },
];

/// The commands.
#[derive(Debug, Subcommand)]
pub enum DeliveriesCommand {
    /// List what failed: waiting for its next attempt, given up, or arrived after failures
    List {
        /// The subscription (sub_…)
        #[arg(long, value_name = "ID")]
        subscription: String,
        /// Only those in this state; may be given more than once
        #[arg(long, value_name = "STATE", value_parser = ["due", "waiting", "dead", "done"])]
        state: Vec<String>,
    },
    /// Show one with each attempt
    Show {
        /// Its id (sub_….1042)
        id: String,
    },
    /// Send again: one that was given up or waits, or with --all every dead letter of a subscription
    Retry {
        /// Its id (sub_….1042)
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every dead letter of this subscription (sub_…)
        #[arg(long, value_name = "ID")]
        all: Option<String>,
    },
}

pub(super) async fn run(connection: &Connection, command: &DeliveriesCommand) -> Result<Exit, Failure> {
    use DeliveriesCommand as Command;
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match command {
        Command::List { subscription, state } => list(&client, subscription, state, &mut output).await?,
        Command::Show { id } => {
            let shown: Value = client.get(&[PATH, id], &[]).await.map_err(with_hint)?;
            output.item(&shown)?;
        }
        Command::Retry { id, all } => {
            let path: Vec<&str> = match (id, all) {
                (Some(id), _) => vec![PATH, id, "retry"],
                (None, Some(subscription)) => vec![OF, subscription, PATH, "retry"],
                (None, None) => {
                    return Err(Failure::new(Exit::Usage, "say which delivery, or --all and a subscription"));
                }
            };
            output.item(&client.post(&path, None).await.map_err(with_hint)?)?;
        }
    }
    Ok(Exit::Ok)
}

async fn list(client: &Client, subscription: &str, states: &[String], output: &mut Output) -> Result<(), Failure> {
    let query: Vec<_> = states.iter().map(|state| ("state", state.clone())).collect();
    let all = client.list(&[OF, subscription, PATH], &query).await.map_err(with_hint)?;
    Ok(output.list(COLUMNS, &all)?)
}

fn with_hint(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => {
            failure.hint("`expensewire deliveries list --subscription ID` shows what failed; what succeeds is not kept")
        }
        Exit::Conflict => failure.hint("`expensewire deliveries show` tells how it stands"),
        _ => failure,
    }
}
