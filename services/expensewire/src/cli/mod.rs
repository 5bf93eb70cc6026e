//! The command line: what can be typed, and the commands that talk to a running service.
//!
//! `serve`, `demo` and `sim` run something and are elsewhere; everything here asks, prints and ends. A command gives an
//! [`Exit`] or a [`Failure`]; only the caller of [`run`] prints failures and ends the process.

mod accounts;
mod backup;
mod client;
mod config;
mod contract;
mod deliveries;
mod doctor;
mod events;
mod follow;
mod generated;
mod keys;
mod lines;
mod listen;
mod log;
mod place;
mod problem;
mod progress;
mod replay;
mod service;
mod since;
#[doc(hidden)]
pub mod sse;
mod state;
mod subscriptions;
mod tail;
#[cfg(test)]
mod tests;
mod trigger;
mod verify;

use clap::{Parser, Subcommand};

pub use accounts::AccountsCommand;
pub use backup::{BackupArgs, ExportArgs, ImportArgs, RestoreArgs};
pub use client::{ApiKey, Connection};
pub use config::{ConfigArg, ConfigCommand, ShowFormat};
pub use deliveries::DeliveriesCommand;
pub use doctor::DoctorArgs;
pub use events::{EventRef, EventsCommand, FilterArgs, ListArgs, ResendArgs};
pub use generated::{CompletionsArgs, ManArgs};
pub use keys::{CreateKeyArgs, KeysCommand};
pub use listen::ListenArgs;
pub use log::LogCommand;
pub use place::PlaceArgs;
pub use replay::{ReplayArgs, ReplayCommand, SpanArgs, StartArgs};
pub use service::{DemoArgs, OverLimit, ServeArgs, SimArgs};
pub use state::StateCommand;
pub use subscriptions::{CreateArgs, RotateArgs, SubscriptionsCommand, UpdateArgs};
pub use tail::TailArgs;
pub use trigger::TriggerArgs;
pub use verify::{SecretText, VerifyArgs};

use crate::{
    exit::{Exit, Failure},
    telemetry::LogArgs,
};

/// Webhooks for Expensify: watches reports, policies and cards, and delivers what changed, signed.
#[derive(Debug, Parser)]
#[command(name = "expensewire", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(ServeArgs),
    /// Run a simulated Expensify, the service and a verifying receiver in one process
    Demo(DemoArgs),
    /// Run the simulated Expensify alone
    Sim(SimArgs),
    /// Ask a running service, or something that needs none.
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

/// A command that ends by itself.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// See how accounts are watched, read one now, confirm what is withheld
    Accounts {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(subcommand)]
        command: AccountsCommand,
    },
    /// See what failed to be delivered, and send it again
    Deliveries {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(subcommand)]
        command: DeliveriesCommand,
    },
    /// Send a subscription events once more
    Replay {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(flatten)]
        args: ReplayArgs,
    },
    /// Prove that the log is what was written
    Log {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Compare the states of entities with the log
    State {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Write a consistent copy of a running service's store; goes on where it was cut short
    Backup {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// Where to.
        #[command(flatten)]
        args: BackupArgs,
    },
    /// Make a store from a backup; goes on where it was cut short
    Restore(RestoreArgs),
    /// List, show, follow, export or import events
    Events {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Manage who receives which events
    Subscriptions {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(subcommand)]
        command: SubscriptionsCommand,
    },
    /// Say who may see and do what
    Keys {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Post events to a program on this machine, signed as the service signs them, without registering it
    Listen {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(flatten)]
        args: ListenArgs,
    },
    /// Send a subscription a sample event, marked as a test
    Trigger {
        /// The service to ask.
        #[command(flatten)]
        connection: Connection,
        /// What to do.
        #[command(flatten)]
        args: TriggerArgs,
    },
    /// Check the signature of a delivery whose body is on standard input; says which check fails
    Verify {
        /// The service to ask, if it is to be asked.
        #[command(flatten)]
        connection: Connection,
        /// What to check.
        #[command(flatten)]
        args: VerifyArgs,
    },
    /// Check, show or make a configuration
    Config {
        /// What to do.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check configuration, directory, space, clock, credentials, budget, template, subscribers and log; exit 6 if one fails
    Doctor(DoctorArgs),
    /// Print a script that completes commands and arguments in a shell
    Completions(CompletionsArgs),
    /// Print or write manual pages
    Man(ManArgs),
    /// Print what every route of the API takes and answers (OpenAPI 3.1)
    Openapi,
    /// Print what subscribers and streams receive (AsyncAPI 3.1)
    Asyncapi,
}

/// Runs a command that ends by itself.
///
/// # Errors
///
/// Why it did not do what was asked; the caller tells it.
pub async fn run(command: &ClientCommand) -> Result<Exit, Failure> {
    match command {
        ClientCommand::Accounts { connection, command } => accounts::run(connection, command).await,
        ClientCommand::Deliveries { connection, command } => deliveries::run(connection, command).await,
        ClientCommand::Replay { connection, args } => replay::run(connection, args).await,
        ClientCommand::Log { connection, command } => log::run(connection, command).await,
        ClientCommand::State { connection, command } => state::run(connection, command).await,
        ClientCommand::Backup { connection, args } => backup::run(connection, args).await,
        ClientCommand::Restore(args) => backup::restore(args).await,
        ClientCommand::Events { connection, command } => events::run(connection, command).await,
        ClientCommand::Subscriptions { connection, command } => subscriptions::run(connection, command).await,
        ClientCommand::Keys { connection, command } => keys::run(connection, command).await,
        ClientCommand::Listen { connection, args } => listen::run(connection, args).await,
        ClientCommand::Trigger { connection, args } => trigger::run(connection, args).await,
        ClientCommand::Verify { connection, args } => verify::run(connection, args).await,
        ClientCommand::Config { command } => config::run(command),
        ClientCommand::Doctor(args) => doctor::run(args).await,
        ClientCommand::Completions(args) => generated::completions(args),
        ClientCommand::Man(args) => generated::man(args),
        ClientCommand::Openapi => contract::openapi(),
        ClientCommand::Asyncapi => contract::asyncapi(),
    }
}
