//! Following the log over server-sent events.
//!
//! The position is the sequence of the last event taken, or the one that the service told since. When the connection
//! breaks, also because the service restarts, it is opened again from there: nothing is taken twice and nothing left
//! out. Only what waiting cannot mend (a wrong key, a position that is gone) ends it.

use std::time::Duration;

use event_model::Sequence;

use super::{
    client::Client,
    events::{self, Page},
    sse::Parser,
};
use crate::exit::{Exit, Failure};

const PATH: &[&str] = &["events", "stream"];

/// First pause before connecting again: a service that restarts is back within a second or two.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause: a person who restarts a service should not wait longer for its events.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who takes events, one after the other.
pub(super) trait Taker {
    /// Takes the event whose JSON, as it was signed, is `event`; `false` when it was the last one wanted.
    async fn take(&mut self, event: &str) -> Result<bool, Failure>;
}

/// Where following begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// After this sequence.
    After(u64),
    /// Where the filter's time says.
    Filter,
    /// After what is the last event now.
    Now,
}

impl Start {
    /// Where `from` says; else at the filter's time if it `has_since`; else now.
    pub fn of(from: Option<u64>, has_since: bool) -> Self {
        match from {
            Some(sequence) => Self::After(sequence),
            None if has_since => Self::Filter,
            None => Self::Now,
        }
    }
}

/// How one connection ended.
enum Ended {
    /// Everything wanted is taken.
    Done,
    /// It broke after it had stood; whether anything came over it.
    Broken { why: String, moved: bool },
}

/// Follows the log until everything wanted is taken.
pub(super) async fn follow(
    client: &Client,
    start: Start,
    filter: &[(&str, String)],
    taker: &mut impl Taker,
) -> Result<Exit, Failure> {
    let mut position = match start {
        Start::After(sequence) => Some(sequence.to_string()),
        Start::Filter => None,
        // The end of the log is fixed now, so that a break before the first event loses nothing.
        Start::Now => Some(events::page(client, &[], Sequence::START, 1).await?.last.to_string()),
    };
    let mut connected = false;
    let mut pause = FIRST_PAUSE;
    loop {
        let why = match once(client, filter, &mut position, taker).await {
            Ok(Ended::Done) => return Ok(Exit::Ok),
            Ok(Ended::Broken { why, moved }) => {
                connected = true;
                if moved {
                    pause = FIRST_PAUSE;
                }
                why
            }
            Err(failure) if connected && passes(&failure) => failure.what,
            Err(failure) => {
                let position = position.and_then(|id| id.parse().ok()).map(Sequence);
                return Err(explained(client, position, failure).await);
            }
        };
        if pause == FIRST_PAUSE {
            eprintln!("the stream broke ({why}); connecting again");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// `failure`, or in its place that `position` is beyond the log. That is seen from the log, which is asked where it ends:
/// the refusal names the parameter of a request, which nobody typed.
pub(super) async fn explained(client: &Client, position: Option<Sequence>, failure: Failure) -> Failure {
    let Some(position) = position.filter(|_| failure.exit == Exit::Usage) else { return failure };
    match events::page(client, &[], Sequence::START, 1).await {
        Ok(Page { last, .. }) if position > last => {
            Failure::new(Exit::Usage, format!("position {position} is beyond the log, which ends at {last}"))
                .hint(format!("the log was probably restored from a backup; `--from {last}` goes on at its end"))
        }
        Ok(_) | Err(_) => failure,
    }
}

/// Whether waiting may mend it: a service that is away, busy or stopping.
fn passes(failure: &Failure) -> bool {
    match failure.exit {
        Exit::Unreachable | Exit::Limited => true,
        Exit::Ok
        | Exit::Unexpected
        | Exit::Usage
        | Exit::NotFound
        | Exit::Permission
        | Exit::CheckFailed
        | Exit::Conflict
        | Exit::Interrupted => false,
    }
}

/// One connection, from the position on; the position moves with what is taken.
async fn once(
    client: &Client,
    filter: &[(&str, String)],
    position: &mut Option<String>,
    taker: &mut impl Taker,
) -> Result<Ended, Failure> {
    let mut stream = client.stream(PATH, filter, position.as_deref()).await?;
    let mut parser = Parser::default();
    let mut moved = false;
    loop {
        let chunk = match stream.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(Ended::Broken { why: "the service ended it".to_owned(), moved }),
            Err(error) => return Ok(Ended::Broken { why: client.unreachable(&error).what, moved }),
        };
        let messages = parser.push(&chunk).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        for message in messages {
            if !taker.take(&message.data).await? {
                return Ok(Ended::Done);
            }
        }
        // Also moved by an id without data: the service passed over events that are not wanted.
        if let Some(id) = parser.last_id().filter(|id| position.as_deref() != Some(*id)) {
            *position = Some(id.to_owned());
            moved = true;
        }
    }
}
