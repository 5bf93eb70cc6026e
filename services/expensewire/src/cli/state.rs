//! `state rebuild`.

use clap::Subcommand;
use event_store::StateCheck;
use serde_json::{Value, json};

use super::{
    client::Connection,
    log::online,
    place::{PlaceArgs, open_existing, store_failure},
};
use crate::exit::{Exit, Failure};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Fold the log from scratch, compare the states of entities with that, and put right what differs
    Rebuild {
        /// Change nothing; exit 6 if anything differs
        #[arg(long)]
        check: bool,
        /// Which store.
        #[command(flatten)]
        place: PlaceArgs,
    },
}

pub(super) async fn run(connection: &Connection, command: &StateCommand) -> Result<Exit, Failure> {
    let StateCommand::Rebuild { check, place } = command;
    let found = match place.directory()? {
        Some(directory) => {
            let store = open_existing(&directory)?;
            let found = if *check { store.check_states().await } else { store.rebuild_states().await };
            shown(found.map_err(store_failure)?, !check)
        }
        None if *check => online(connection, &["state", "check"]).await?,
        None => online(connection, &["state", "rebuild"]).await?,
    };
    connection.output().item(&found)?;
    match found["differ"].as_u64() {
        Some(differ) if *check && differ > 0 => {
            let what = format!("{differ} entities have a state that is not what the log says");
            Err(Failure::new(Exit::CheckFailed, what).hint("`expensewire state rebuild` puts them right"))
        }
        _ => Ok(Exit::Ok),
    }
}

fn shown(found: StateCheck, rebuilt: bool) -> Value {
    let StateCheck { entities, folded_up_to, differing, differ } = found;
    json!({
        "entities": entities, "folded_up_to": folded_up_to,
        "differ": differ, "differing": differing, "rebuilt": rebuilt,
    })
}
