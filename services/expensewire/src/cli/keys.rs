//! `keys create|list|show|delete`.

use clap::{Args, Subcommand};
use event_model::{AccountName, Action, TypeGlob};
use serde_json::{Value, json};

use super::client::{Client, Connection};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Output, plain},
};

const PATH: &str = "keys";

const COLUMNS: &[Column] = &[
    Column { head: "ID", pointer: "/id" },
    Column { head: "ORIGIN", pointer: "/origin" },
    Column { head: "ACCOUNTS", pointer: "/accounts" },
    Column { head: "POLICIES", pointer: "/policies" },
    Column { head: "EVENTS", pointer: "/events" },
    Column { head: "ACTIONS", pointer: "/actions" },
    Column { head: "EXPIRES", pointer: "/expires_at" },
    Column { head: "DESCRIPTION", pointer: "/description" },
];

/// The commands.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key; prints its token once. What is not named it may neither see nor do
    Create(CreateKeyArgs),
    /// List keys, oldest first
    List,
    /// Show what one key allows
    Show {
        /// Its id (key_…)
        id: String,
    },
    /// Delete a key: it opens nothing from then on
    Delete {
        /// Its id (key_…)
        id: String,
        /// What becomes of its subscriptions: delete them, or keep them as your own
        #[arg(long, value_name = "HOW", value_parser = ["delete", "keep"])]
        subscriptions: Option<String>,
    },
}

/// `keys create`.
#[derive(Args, Debug)]
pub struct CreateKeyArgs {
    /// The accounts that it may see; '*' is all
    #[arg(long = "account", value_name = "NAME", value_delimiter = ',', value_parser = account)]
    pub accounts: Vec<String>,
    /// The policies that it may see; '*' is all, and what belongs to none
    #[arg(long = "policy", value_name = "ID", value_delimiter = ',')]
    pub policies: Vec<String>,
    /// The event types that it may see, as in report.*; '*' is all
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub events: Vec<TypeGlob>,
    /// What it may do, as in events:read; '*' is all
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',', value_parser = action)]
    pub actions: Vec<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// When it expires, as in 2030-04-02T09:14:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in_s")]
    pub expires_at: Option<jiff::Timestamp>,
    /// In how many seconds it expires
    #[arg(long = "expires-in", value_name = "SECONDS")]
    pub expires_in_s: Option<u64>,
    /// Requests a second that it may make
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
}

fn account(text: &str) -> Result<String, String> {
    match text.parse::<AccountName>() {
        Err(error) if text != "*" => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(text.to_owned()),
    }
}

fn action(text: &str) -> Result<String, String> {
    if text == "*" || text.parse::<Action>().is_ok() {
        return Ok(text.to_owned());
    }
    let known: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    Err(format!("must be * or one of {}", known.join(", ")))
}

impl CreateKeyArgs {
    /// The body of the creation: a list that is not named is not in it.
    fn body(&self) -> Value {
        let list = |items: &[String]| (!items.is_empty()).then(|| json!(items));
        json!({
            "accounts": list(&self.accounts),
            "policies": list(&self.policies),
            "events": (!self.events.is_empty()).then(|| json!(self.events)),
            "actions": list(&self.actions),
            "description": self.description,
            "expires_at": self.expires_at,
            "expires_in_s": self.expires_in_s,
            "rate_per_s": self.rate,
        })
    }
}

pub(super) async fn run(connection: &Connection, command: &KeysCommand) -> Result<Exit, Failure> {
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match command {
        KeysCommand::Create(args) => {
            output.item(&client.post(&[PATH], Some(&args.body())).await?)?;
            eprintln!("hint: the token (key) is shown this once; programs send it as `Authorization: Bearer`");
        }
        KeysCommand::List => list(&client, &mut output).await?,
        KeysCommand::Show { id } => {
            let shown: Value = client.get(&[PATH, id], &[]).await.map_err(with_hint)?;
            output.item(&shown)?;
        }
        KeysCommand::Delete { id, subscriptions } => {
            let query: Vec<_> = subscriptions.iter().map(|how| ("subscriptions", how.clone())).collect();
            client.delete(&[PATH, id], &query).await.map_err(with_hint)?;
            eprintln!("deleted {}", plain(id));
        }
    }
    Ok(Exit::Ok)
}

async fn list(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let all = client.list(&[PATH], &[]).await?;
    Ok(output.list(COLUMNS, &all)?)
}

fn with_hint(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => failure.hint("`expensewire keys list` shows those that there are; a token is no id"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: KeysCommand,
    }

    fn body(line: &str) -> Result<Value, String> {
        let words = std::iter::once("x").chain(line.split(' '));
        match Line::try_parse_from(words).map_err(|error| error.to_string())?.command {
            KeysCommand::Create(args) => Ok(args.body()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn what_is_typed_becomes_the_body_and_what_is_not_named_stays_unsaid() {
        let line = "create --account acme,beta --policy * --events report.*,card.added --action events:read \
                    --expires-in 60 --rate 5";
        let expected = json!({
            "accounts": ["acme", "beta"], "policies": ["*"], "events": ["report.*", "card.added"],
            "actions": ["events:read"], "description": null, "expires_at": null, "expires_in_s": 60, "rate_per_s": 5,
        });
        assert_eq!(body(line).unwrap(), expected);
        assert_eq!(body("create --action *").unwrap()["accounts"], Value::Null);
        for wrong in ["create --action event:read", "create --account No", "create --events reprot.*"] {
            assert!(body(wrong).is_err(), "{wrong}");
        }
    }
}
