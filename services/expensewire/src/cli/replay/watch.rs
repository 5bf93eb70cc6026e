//! Follows a replay and says on standard error how far it has come.

use std::time::Duration;

use serde_json::Value;

use super::{
    super::{client::Client, progress::Progress},
    OF,
};
use crate::{
    exit::{Exit, Failure},
    output::{Output, cell, plain},
};

/// Between two looks: a person sees it move, and the service has two requests a second of it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a replay is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Watched {
    /// Until it is done or cancelled.
    ToItsEnd,
    /// The same, but no further than to a first attempt that failed: the next one may be hours away.
    FirstAttempt,
}

/// Follows `replay` as it was shown last, then prints it as it is. Ctrl-C ends the following, not the replay.
pub(in super::super) async fn watch(
    client: &Client,
    subscription: &str,
    replay: Value,
    watched: Watched,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let id = plain(replay["id"].as_str().unwrap_or_default());
    let ended = tokio::select! {
        ended = to_the_end(client, subscription, replay, watched) => ended?,
        _ = tokio::signal::ctrl_c() => {
            let (rest, subscription) = ("goes on without this command", plain(subscription));
            // The line of progress was ended with the following.
            eprintln!("{id} {rest}; `expensewire replay cancel {subscription} {id}` ends it");
            return Ok(Exit::Interrupted);
        }
    };
    output.item(&ended)?;
    outcome(&ended, subscription, &id)
}

async fn to_the_end(
    client: &Client,
    subscription: &str,
    mut replay: Value,
    watched: Watched,
) -> Result<Value, Failure> {
    let id = replay["id"].as_str().unwrap_or_default().to_owned();
    let mut progress = Progress::new();
    loop {
        progress.tell(&line(&replay));
        let failed_once = watched == Watched::FirstAttempt && !replay["last_failure"].is_null();
        if replay["state"] != "running" || failed_once {
            return Ok(replay);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        replay = client.get(&[OF, subscription, "replays", &id], &[]).await?;
    }
}

fn line(replay: &Value) -> String {
    let count = match &replay["count"] {
        Value::Null => String::new(),
        count => format!(" of {count}"),
    };
    let [id, state] = ["id", "state"].map(|name| cell(&replay[name]));
    let [delivered, failed, pending] = ["delivered", "failed", "pending"].map(|name| cell(&replay[name]));
    format!("{id} {state}: {delivered}{count} delivered, {pending} waiting, {failed} given up")
}

/// What the end of a replay means to a script.
fn outcome(replay: &Value, subscription: &str, id: &str) -> Result<Exit, Failure> {
    let given_up = replay["failed"].as_u64().unwrap_or_default();
    let subscription = plain(subscription);
    if given_up > 0 {
        let what = format!("{given_up} events could not be delivered");
        return Err(Failure::new(Exit::CheckFailed, what)
            .hint(format!("`expensewire replay show {subscription} {id}` has the last failure")));
    }
    match replay["state"].as_str() {
        Some("cancelled") => Err(Failure::new(Exit::Conflict, format!("{id} was cancelled"))),
        Some("running") => {
            let outcome = &replay["last_failure"]["outcome"];
            let why = [cell(&outcome["kind"]), cell(&outcome["status"])].join(" ");
            let why = why.trim_end_matches(" -");
            Err(Failure::new(Exit::CheckFailed, format!("the attempt failed: {why}; it is made again"))
                .hint(format!("`expensewire replay follow {subscription} {id}` waits for it")))
        }
        _ => Ok(Exit::Ok),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_tells_how_far_a_replay_is() {
        let replay = json!({"id": "rpl_1", "state": "running", "count": 9, "delivered": 4, "failed": 0, "pending": 2});
        assert_eq!(line(&replay), "rpl_1 running: 4 of 9 delivered, 2 waiting, 0 given up");
        let uncounted =
            json!({"id": "rpl_1", "state": "done", "count": null, "delivered": 4, "failed": 1, "pending": 0});
        assert_eq!(line(&uncounted), "rpl_1 done: 4 delivered, 0 waiting, 1 given up");
    }

    #[test]
    fn only_a_replay_that_delivered_everything_ends_well() {
        let ended = |replay: Value| outcome(&replay, "sub_1", "rpl_1").map_err(|failure| failure.exit);
        assert_eq!(ended(json!({"state": "done", "failed": 0})), Ok(Exit::Ok));
        assert_eq!(ended(json!({"state": "done", "failed": 2})), Err(Exit::CheckFailed));
        assert_eq!(ended(json!({"state": "cancelled", "failed": 0})), Err(Exit::Conflict));
        assert_eq!(
            ended(json!({"state": "running", "last_failure": {"outcome": {"kind": "timeout"}}})),
            Err(Exit::CheckFailed)
        );
    }
}
