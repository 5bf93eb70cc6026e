//! `backup`, `restore`, `events export`, `events import`.
//!
//! A backup is made of a running service: first the events up to a moment, then the tables, then the events since. So no
//! cursor in it is ahead of its events, and what the tables lack is what a crash would have lost too: deliveries are repeated,
//! never left out. It is written beside its name, as `FILE.part`, and gets its name when its last line is on disk; what was
//! cut short is continued after its last whole event.
//!
//! A store that is being restored bears a mark ([`RESTORING`]) until everything is in it: no service starts on half of it.

mod ledger;
mod pull;
mod put;

use std::path::PathBuf;

use clap::Args;
use event_model::Sequence;

use self::{
    ledger::Kind,
    pull::{Pull, Sink},
};
use super::{
    client::{Client, Connection},
    place::{PlaceArgs, open, open_existing},
};
use crate::{
    exit::{Exit, Failure},
    service::RESTORING,
};

/// `backup`.
#[derive(Args, Debug)]
pub struct BackupArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `events export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The file to write; - is standard output
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Begin after this sequence
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    pub from: u64,
    /// End with this sequence; without it with what is the last one now
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,
}

/// `events import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// What was exported
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub place: PlaceArgs,
}

pub(super) async fn run(connection: &Connection, args: &BackupArgs) -> Result<Exit, Failure> {
    let client = Client::new(connection)?;
    let sink = Sink::file(&args.file, Kind::Backup, Sequence::START)?;
    let told = Pull::new(&client, sink).backup().await?;
    connection.output().item(&told)?;
    Ok(Exit::Ok)
}

pub(super) async fn export(client: &Client, args: &ExportArgs) -> Result<Exit, Failure> {
    let from = Sequence(args.from);
    if args.to.is_some_and(|to| to < args.from) {
        return Err(Failure::new(Exit::Usage, "--to is before --from"));
    }
    let sink =
        if args.file.as_os_str() == "-" { Sink::stdout(from) } else { Sink::file(&args.file, Kind::Events, from)? };
    Pull::new(client, sink).events(args.to.map(Sequence)).await?;
    Ok(Exit::Ok)
}

pub(super) async fn restore(args: &RestoreArgs) -> Result<Exit, Failure> {
    let summary = put::check(&args.file)?;
    if summary.kind != Kind::Backup {
        let failure = Failure::new(Exit::Usage, format!("{} holds events and no tables", args.file.display()));
        return Err(failure.hint("`expensewire events import` puts them into a store"));
    }
    let directory = args.place.needed()?;
    let mark = directory.join(RESTORING);
    put::begin(&directory, &mark, &summary)?;
    let store = open(&directory)?;
    put::put(&args.file, &summary, &store).await?;
    store.close().await.map_err(super::place::store_failure)?;
    std::fs::remove_file(&mark)?;
    eprintln!(
        "restored {} events, the last of sequence {}, and {} rows into {}",
        summary.end.events,
        summary.end.last,
        summary.end.rows,
        directory.display()
    );
    eprintln!("hint: put the sealing key in its place before the service starts; it is not in the backup");
    Ok(Exit::Ok)
}

pub(super) async fn import(args: &ImportArgs) -> Result<Exit, Failure> {
    let summary = put::check(&args.file)?;
    if summary.kind != Kind::Events {
        let failure = Failure::new(Exit::Usage, format!("{} is a backup", args.file.display()));
        return Err(failure.hint("`expensewire restore` makes a store of it"));
    }
    let directory = args.place.needed()?;
    let store = if summary.after == Sequence::START { open(&directory)? } else { open_existing(&directory)? };
    put::put(&args.file, &summary, &store).await?;
    store.close().await.map_err(super::place::store_failure)?;
    Ok(Exit::Ok)
}
