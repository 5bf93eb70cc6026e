//! `log verify`.

use std::io::{IsTerminal, stderr};

use clap::Subcommand;
use event_model::Sequence;
use event_store::Verified;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::{Client, Connection},
    place::{PlaceArgs, open_existing, store_failure},
};
use crate::exit::{Exit, Failure};

/// Events between two words about the progress of a verification in place.
const TELL_EVERY: u64 = 100_000;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Read every event and follow the chain; exit 6 and the first bad sequence if anything was lost, altered or reordered
    Verify {
        /// Which store.
        #[command(flatten)]
        place: PlaceArgs,
    },
}

pub(super) async fn run(connection: &Connection, command: &LogCommand) -> Result<Exit, Failure> {
    let LogCommand::Verify { place } = command;
    let verified = match place.directory()? {
        Some(directory) => {
            let store = open_existing(&directory)?;
            let last = store.last_sequence().0;
            let verified = store.verify(move |at| told(at, last)).await.map_err(store_failure)?;
            let Verified { events, horizon, last, link } = verified;
            json!({ "events": events, "horizon": horizon, "last": last, "link": link.to_string() })
        }
        None => online(connection, &["log", "verify"]).await?,
    };
    connection.output().item(&verified)?;
    Ok(Exit::Ok)
}

/// Has the service do work on the whole log, and tells how far it is.
pub(super) async fn online(connection: &Connection, path: &[&str]) -> Result<Value, Failure> {
    let client = Client::new(connection)?;
    let mut lines = client.lines(Method::POST, path, &[]).await?;
    lines.result(|progress| tell(progress.sequence, progress.last)).await
}

fn told(at: Sequence, last: u64) {
    // Told per block; a block never has so many events that the count would be passed over twice.
    if at.0 % TELL_EVERY < 128 {
        tell(at.0, last);
    }
}

/// Progress is for a person who watches, and never part of the output.
fn tell(at: u64, last: u64) {
    if at > 0 && stderr().is_terminal() {
        eprintln!("{at} of {last}");
    }
}
