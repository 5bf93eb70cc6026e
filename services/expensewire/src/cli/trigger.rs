//! `trigger`: a sample event of any type to one subscription, marked as a test.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use event_model::EventType;
use serde_json::{Map, Value, json};

use super::client::{Client, Connection};
use crate::{
    exit::{Exit, Failure},
    output::plain,
};

const PATH: &str = "subscriptions";

/// `trigger`.
#[derive(Args, Debug)]
pub struct TriggerArgs {
    /// Its type, as in report.approved
    #[arg(value_name = "TYPE", value_parser = event_types())]
    pub event_type: EventType,
    /// To which subscription (sub_…); needed when there are several
    #[arg(long, value_name = "ID")]
    pub subscription: Option<String>,
    /// Put a value in the place of the sample's, as in data.object.total=4711; may be repeated. The value is JSON, or else text
    #[arg(long = "override", value_name = "PATH=VALUE", value_parser = assignment)]
    pub overrides: Vec<(String, Value)>,
}

/// By name; the help lists them, a shell completes them, and what is misspelt is told with what is meant.
fn event_types() -> impl TypedValueParser<Value = EventType> {
    PossibleValuesParser::new(EventType::ALL.iter().map(|known| known.as_str())).map(|name| {
        let known = EventType::ALL.iter().copied().find(|known| known.as_str() == name);
        known.expect("the parser lets only these names through")
    })
}

/// `path=value` as a JSON pointer and a value.
fn assignment(text: &str) -> Result<(String, Value), String> {
    let (path, value) = text.split_once('=').ok_or("must be written PATH=VALUE, like data.object.total=4711")?;
    if path.is_empty() {
        return Err("names no path before its =".to_owned());
    }
    let pointer = if path.starts_with('/') {
        path.to_owned()
    } else {
        path.split('.').map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
    };
    Ok((pointer, serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

pub(super) async fn run(connection: &Connection, args: &TriggerArgs) -> Result<Exit, Failure> {
    let client = Client::new(connection)?;
    let id = match &args.subscription {
        Some(id) => id.clone(),
        None => only_one(&client).await?,
    };
    let overrides: Map<String, Value> = args.overrides.iter().cloned().collect();
    let body = json!({ "type": args.event_type, "overrides": overrides });
    let queued = client.post(&[PATH, &id, "test"], Some(&body)).await.map_err(with_hint)?;
    connection.output().item(&queued)?;
    if queued["wanted"] == false {
        eprintln!("warning: {} does not ask for {}: only a test brings it one", plain(&id), args.event_type);
    }
    eprintln!(
        "a test event is on its way; `expensewire deliveries list --subscription {}` tells if it fails",
        plain(&id)
    );
    Ok(Exit::Ok)
}

/// The subscription, where there is but one.
async fn only_one(client: &Client) -> Result<String, Failure> {
    let all = client.list(&[PATH], &[]).await?;
    match all.as_slice() {
        [one] => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
        [] => Err(Failure::new(Exit::NotFound, "there is no subscription to send it to")
            .hint("`expensewire subscriptions create URL --events 'report.*'` makes one")),
        several => Err(Failure::new(Exit::Usage, format!("there are {} subscriptions", several.len()))
            .hint("say which one by --subscription; `expensewire subscriptions list` shows them")),
    }
}

fn with_hint(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => failure.hint("`expensewire subscriptions list` shows those that there are"),
        Exit::Usage if failure.hint.is_none() => {
            failure.hint("the type's schema and an example are in schemas/events and at GET /v1/event-types/TYPE")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_pointer_and_a_value_json_or_text() {
        let read = |text: &str| assignment(text).map(|(pointer, value)| (pointer, value.to_string()));
        for (text, pointer, value) in [
            ("data.object.total=4711", "/data/object/total", "4711"),
            ("account=acme", "/account", r#""acme""#),
            ("data.object.title=a=b", "/data/object/title", r#""a=b""#),
            ("/data/previous/expenses[1].amount=null", "/data/previous/expenses[1].amount", "null"),
            ("data.a/b~c=", "/data/a~1b~0c", r#""""#),
        ] {
            assert_eq!(read(text), Ok((pointer.to_owned(), value.to_owned())), "{text}");
        }
        assert!(assignment("data.object.total").is_err() && assignment("=3").is_err());
    }
}
