#![doc = include_str!("../README.md")]

pub mod cli;
pub mod config;
pub mod demo;
pub mod exit;
pub mod output;
pub mod serve;
pub mod service;
pub mod signals;
pub mod sim;
pub mod telemetry;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use exit::{Exit, Failure};
use tokio::runtime::{Builder, Runtime};

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
        Command::Serve(args) => many_threads()?.block_on(serve::run(args)),
        Command::Demo(args) => many_threads()?.block_on(async { Ok(demo::run(args).await.map(|()| Exit::Ok)?) }),
        Command::Sim(args) => many_threads()?.block_on(async { Ok(sim::run(args).await.map(|()| Exit::Ok)?) }),
        Command::Client(command) => one_thread()?.block_on(cli::run(command)),
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

fn many_threads() -> Result<Runtime, Failure> {
    started(Builder::new_multi_thread().enable_all().build())
}

fn one_thread() -> Result<Runtime, Failure> {
    started(Builder::new_current_thread().enable_all().build())
}

fn started(runtime: std::io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| Failure::new(Exit::Unexpected, format!("cannot start: {error}")))
}
