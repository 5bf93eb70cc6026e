//! Simulator, service and subscriber in three processes; prints what arrived against what was made, as one JSON line.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tests::soak::{self, Plan};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// How long the tenant lives.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Kill the service (-9) at this interval; 0 never does.
    #[arg(long, default_value_t = 0)]
    kill_every_s: u64,
    /// Reports at the start.
    #[arg(long, default_value_t = 200)]
    reports: u32,
    /// The tenant's pace.
    #[arg(long, default_value_t = 30.0)]
    changes_per_minute: f64,
    /// How long the tenant leaves an entity alone after a change.
    #[arg(long, default_value_t = 60)]
    quiet_s: u64,
    /// The program under test; the `expensewire` beside this one if not given.
    #[arg(long)]
    program: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Role {
    /// Be the subscriber.
    Receive {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// The file that will hold the secret.
        #[arg(long)]
        secret_file: PathBuf,
        /// The file to write arrivals to.
        #[arg(long)]
        out: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Receive { listen, secret_file, out }) => {
            soak::receiver::run(TcpListener::bind(listen).await?, secret_file, &out).await?;
            Ok(ExitCode::SUCCESS)
        }
        None => play(&arguments).await,
    }
}

async fn play(arguments: &Arguments) -> Result<ExitCode> {
    let me = std::env::current_exe()?;
    let beside = me.parent().context("a folder")?.join("expensewire");
    let plan = Plan {
        program: arguments.program.clone().unwrap_or(beside),
        subscriber: me,
        length: Duration::from_secs_f64(arguments.minutes * 60.0),
        kill_every: (arguments.kill_every_s > 0).then(|| Duration::from_secs(arguments.kill_every_s)),
        reports: arguments.reports,
        changes_per_minute: arguments.changes_per_minute,
        quiet: Duration::from_secs(arguments.quiet_s),
        per_10s: 5,
        per_60s: 20,
        faults: serde_json::json!({}),
    };
    let verdict = soak::run(&plan).await?;
    println!("{}", serde_json::to_string(&verdict)?);
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
