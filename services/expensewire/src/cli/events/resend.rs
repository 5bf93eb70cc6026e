//! `events resend`: one event to one subscription, by a replay of that one position.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        client::Client,
        replay::{Watched, watch},
    },
    EventRef, shown,
};
use crate::{
    exit::{Exit, Failure},
    output::{Output, plain},
};

/// `events resend`.
#[derive(Args, Debug)]
pub struct ResendArgs {
    /// Its id (the webhook-id of a delivery), or its sequence
    #[arg(value_name = "ID|SEQ")]
    pub event: EventRef,
    /// To which subscription (sub_…)
    #[arg(long, value_name = "ID")]
    pub subscription: String,
    /// Do not wait until it has arrived
    #[arg(long)]
    pub detach: bool,
}

/// What of an event is told.
#[derive(Deserialize)]
struct Place {
    sequence: u64,
    #[serde(rename = "type")]
    event_type: String,
}

pub(super) async fn run(client: &Client, args: &ResendArgs, output: &mut Output) -> Result<Exit, Failure> {
    let event = shown(client, &args.event).await?;
    let place: Place = serde_json::from_str(event.get())
        .map_err(|error| Failure::new(Exit::Unexpected, format!("the answer holds no event: {error}")))?;
    let path = ["subscriptions", args.subscription.as_str(), "replay"];
    let would: Value = client.post(&path, Some(&body(&place, true))).await.map_err(|told| refused(told, args))?;
    if would["count"] == 0 {
        let (kind, subscription) = (plain(&place.event_type), plain(&args.subscription));
        let what = format!("{subscription} does not want this event, {kind} at {}: nothing is sent", place.sequence);
        return Err(Failure::new(Exit::Conflict, what).hint(
            "`expensewire subscriptions show` tells what it wants; `subscriptions update --events` changes that",
        ));
    }
    let made = client.post(&path, Some(&body(&place, false))).await.map_err(|told| refused(told, args))?;
    if args.detach {
        output.item(&made)?;
        return Ok(Exit::Ok);
    }
    watch(client, &args.subscription, made, Watched::FirstAttempt, output).await
}

/// A replay of what lies after the position before the event, up to the event.
fn body(place: &Place, dry_run: bool) -> Value {
    let from = match place.sequence {
        0 | 1 => json!("beginning"),
        sequence => json!(sequence - 1),
    };
    json!({ "from": from, "to": place.sequence, "dry_run": dry_run })
}

fn refused(failure: Failure, args: &ResendArgs) -> Failure {
    let id = plain(&args.subscription);
    match failure.exit {
        Exit::NotFound if failure.hint.is_none() => {
            failure.hint("`expensewire subscriptions list` shows those that there are")
        }
        Exit::Usage if failure.hint.is_none() => failure
            .hint(format!("what {id} was not sent yet comes by itself; see `expensewire subscriptions show {id}`")),
        Exit::Conflict => failure.hint(format!("`expensewire replay list {id}` shows what runs")),
        _ => failure,
    }
}
