#![doc = include_str!("../README.md")]

pub mod cli;
pub mod config;
pub mod demo;
pub mod exit;
pub mod manager;
pub mod output;
pub mod pages;
pub mod serve;
pub mod service;
pub mod signals;
pub mod sim;
pub mod telemetry;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use cli::{Cli, Command};
use exit::{Exit, Failure};
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Builder;

/// Events are built on one thread and let go on another, which glibc's allocator is slow at: 16 writers append a third more events a
/// second with this one. `.cargo/config.toml` says how it is set. Whoever links this crate runs on it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// How long the end of the process waits for threads that are still blocked.
const LINGER: Duration = Duration::from_millis(200);

/// The program: reads the command line, does what it says, and answers the exit code.
pub fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    telemetry::init(&cli.log, default_log(&cli.command))
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()).hint("see --log in --help"))?;
    use_ring();
    match &cli.command {
        Command::Serve(args) => on(Builder::new_multi_thread(), serve::run(args)),
        Command::Demo(args) => on(Builder::new_multi_thread(), async { Ok(demo::run(args).await.map(|()| Exit::Ok)?) }),
        Command::Sim(args) => on(Builder::new_multi_thread(), async { Ok(sim::run(args).await.map(|()| Exit::Ok)?) }),
        Command::Client(command) => on(Builder::new_current_thread(), cli::run(command)),
    }
}

/// What is logged unless somebody says otherwise: commands whose output is for people or scripts log only trouble.
fn default_log(command: &Command) -> &'static str {
    match command {
        Command::Serve(_) => "info",
        Command::Sim(_) | Command::Demo(_) | Command::Client(_) => "warn",
    }
}

/// The process's provider of TLS cryptography. Whoever set one before may keep it.
fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Runs `work` to its end. What still blocks a thread then (a name server that does not answer, a disk that does not
/// return) is not waited for.
fn on(mut builder: Builder, work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unexpected, format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(LINGER);
    outcome
}
