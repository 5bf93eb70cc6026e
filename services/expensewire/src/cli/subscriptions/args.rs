//! What can be said of a subscription on the command line, and the bodies that it becomes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use event_model::{AccountName, TypeGlob};
use serde_json::{Map, Value, json};
use url::Url;

use super::rotate::{RotateArgs, secret_from};
use crate::exit::{Exit, Failure};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum SubscriptionsCommand {
    /// Have events delivered to a URL; prints the signing secret once
    Create(CreateArgs),
    /// List subscriptions, oldest first
    List,
    /// Show one subscription
    Show {
        /// Its id (sub_…)
        id: String,
    },
    /// Change a subscription; what is not named stays
    Update(UpdateArgs),
    /// Delete a subscription with its cursor and secret
    Delete {
        /// Its id (sub_…)
        id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Stop delivering; the cursor stands
    Pause {
        /// Its id (sub_…)
        id: String,
    },
    /// Go on where it stood, also after the service disabled it
    Resume {
        /// Its id (sub_…)
        id: String,
    },
    /// Sign by another secret from now on; the old one signs beside it for a while
    RotateSecret(RotateArgs),
    /// Deliver a sample event, marked as a test
    Test {
        /// Its id (sub_…)
        id: String,
    },
}

/// `subscriptions create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Where events are posted
    pub url: Url,
    /// Which types, as in report.* or policy.changed; snapshots must be named (*.snapshot)
    #[arg(long, required = true, value_name = "GLOB", value_delimiter = ',')]
    pub events: Vec<TypeGlob>,
    /// Only events of these accounts
    #[arg(long = "account", value_name = "NAME", value_delimiter = ',')]
    pub accounts: Vec<AccountName>,
    /// Only events about these policies and the reports on them
    #[arg(long = "policy", value_name = "ID", value_delimiter = ',')]
    pub policies: Vec<String>,
    /// Where it begins: now, beginning, or after a sequence
    #[arg(long, default_value = "now", value_name = "now|beginning|SEQ", value_parser = position)]
    pub from: Value,
    /// What waits behind a failing delivery: the same entity, everything (strict), nothing
    #[arg(long, default_value = "entity", value_parser = ["entity", "strict", "none"])]
    pub ordering: String,
    /// At most so many deliveries a second
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// A header of each delivery; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// The form of a delivery
    #[arg(long, default_value = "standard", value_parser = ["standard", "cloudevents-structured", "cloudevents-binary"])]
    pub format: String,
    /// Sign by this secret (whsec_…) instead of a new one; - is standard input
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Sign by an ed25519 key (v1a) too
    #[arg(long)]
    pub ed25519: bool,
    /// Ask the endpoint first: it must give a token back
    #[arg(long)]
    pub challenge: bool,
}

impl CreateArgs {
    /// The body of the creation.
    pub(super) fn body(&self) -> Result<Value, Failure> {
        Ok(json!({
            "url": self.url,
            "events": self.events,
            "accounts": self.accounts,
            "policies": self.policies,
            "from": self.from,
            "ordering": self.ordering,
            "rate_per_s": self.rate,
            "headers": headers(&self.headers)?,
            "description": self.description,
            "format": self.format,
            "secret": self.secret_file.as_deref().map(secret_from).transpose()?,
            "ed25519": self.ed25519,
            "challenge": self.challenge,
        }))
    }
}

/// `subscriptions update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Its id (sub_…)
    pub id: String,
    /// Where events are posted
    #[arg(long)]
    pub url: Option<Url>,
    /// Which types
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub events: Vec<TypeGlob>,
    /// Only events of these accounts
    #[arg(long = "account", value_name = "NAME", value_delimiter = ',')]
    pub accounts: Vec<AccountName>,
    /// Events of every account
    #[arg(long, conflicts_with = "accounts")]
    pub all_accounts: bool,
    /// Only events about these policies and the reports on them
    #[arg(long = "policy", value_name = "ID", value_delimiter = ',')]
    pub policies: Vec<String>,
    /// Events of every policy, and of none
    #[arg(long, conflicts_with = "policies")]
    pub all_policies: bool,
    /// What waits behind a failing delivery
    #[arg(long, value_parser = ["entity", "strict", "none"])]
    pub ordering: Option<String>,
    /// At most so many deliveries a second
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// No limit of rate
    #[arg(long, conflicts_with = "rate")]
    pub no_rate: bool,
    /// Set a header of each delivery; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Take a header away; may be repeated
    #[arg(long = "remove-header", value_name = "NAME")]
    pub removed_headers: Vec<String>,
    /// For people; empty takes it away
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

impl UpdateArgs {
    /// The body of the change: only what is named is in it, `null` is the default again.
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let mut body = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("url", self.url.as_ref().map(|url| json!(url)));
        set("events", (!self.events.is_empty()).then(|| json!(self.events)));
        set("accounts", changed_list(&self.accounts, self.all_accounts));
        set("policies", changed_list(&self.policies, self.all_policies));
        set("ordering", self.ordering.as_ref().map(|ordering| json!(ordering)));
        set("rate_per_s", if self.no_rate { Some(Value::Null) } else { self.rate.map(Value::from) });
        let mut merged = headers(&self.headers)?;
        merged.extend(self.removed_headers.iter().map(|name| (name.to_ascii_lowercase(), Value::Null)));
        set("headers", (!merged.is_empty()).then_some(Value::Object(merged)));
        let description = self.description.as_deref();
        set("description", description.map(|text| if text.is_empty() { Value::Null } else { Value::from(text) }));
        if body.is_empty() {
            return Err(Failure::new(Exit::Usage, "nothing to change is named")
                .hint("see `expensewire subscriptions update --help`"));
        }
        Ok(Value::Object(body))
    }
}

fn changed_list<T: serde::Serialize>(items: &[T], all: bool) -> Option<Value> {
    (all || !items.is_empty()).then(|| json!(items))
}

fn position(text: &str) -> Result<Value, String> {
    match text {
        "now" | "beginning" => Ok(Value::from(text)),
        number => match number.parse::<u64>() {
            Ok(sequence) => Ok(Value::from(sequence)),
            Err(_) => Err("must be now, beginning or a sequence".to_owned()),
        },
    }
}

/// `Name: value` as members of an object. A refusal does not repeat the text: the value may be a secret.
fn headers(texts: &[String]) -> Result<Map<String, Value>, Failure> {
    let wrong = || Failure::new(Exit::Usage, "a --header has no colon").hint("write it as --header 'Name: value'");
    texts
        .iter()
        .map(|text| {
            let (name, value) = text.split_once(':').ok_or_else(wrong)?;
            Ok((name.trim().to_ascii_lowercase(), Value::from(value.trim())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: SubscriptionsCommand,
    }

    fn body(line: &str) -> Result<Value, String> {
        let words = std::iter::once("x").chain(line.split('|'));
        match Line::try_parse_from(words).map_err(|error| error.to_string())?.command {
            SubscriptionsCommand::Create(args) => args.body().map_err(|failure| failure.to_string()),
            SubscriptionsCommand::Update(args) => args.body().map_err(|failure| failure.to_string()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn what_is_typed_becomes_the_body_of_a_creation() {
        let line = "create|https://a.example/x|--events|report.*,policy.changed|--account|acme|--from|12|--rate|5|\
                    --header|Authorization: Bearer a:b|--ordering|strict";
        let expected = json!({
            "url": "https://a.example/x", "events": ["report.*", "policy.changed"], "accounts": ["acme"], "policies": [],
            "from": 12, "ordering": "strict", "rate_per_s": 5, "headers": {"authorization": "Bearer a:b"},
            "description": null, "format": "standard", "secret": null, "ed25519": false, "challenge": false,
        });
        assert_eq!(body(line).unwrap(), expected);
        assert_eq!(body("create|https://a.example/x|--events|card.added").unwrap()["from"], "now");
    }

    #[test]
    fn a_change_names_only_what_was_typed_and_null_is_the_default_again() {
        let line = "update|sub_1|--no-rate|--all-accounts|--description||--header|A: 1|--remove-header|B";
        let expected =
            json!({ "accounts": [], "rate_per_s": null, "headers": {"a": "1", "b": null}, "description": null });
        assert_eq!(body(line).unwrap(), expected);
        assert_eq!(body("update|sub_1|--rate|7").unwrap(), json!({"rate_per_s": 7}));
        assert!(body("update|sub_1").unwrap_err().contains("nothing to change"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
        for line in [
            "create|https://a.example/x",
            "create|nonsense|--events|*",
            "create|https://a.example/x|--events|reprot.*",
            "create|https://a.example/x|--events|*|--from|soon",
            "update|sub_1|--rate|5|--no-rate",
        ] {
            assert!(body(line).is_err(), "{line}");
        }
        let secret = body("create|https://a.example/x|--events|*|--header|hunter2").unwrap_err();
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
