//! `accounts list|show|refresh|release`.

mod view;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Connection};
use crate::{
    exit::{Exit, Failure},
    output::{Format, Output, plain},
};

const PATH: &str = "accounts";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum AccountsCommand {
    /// List accounts: how fresh each is, and what is amiss
    List,
    /// Show one account: its budget, and each watch with why, cost, rate, period, age and expected delay
    Show {
        /// Its name
        name: String,
    },
    /// Read now, within the budget: everything, or one report
    Refresh {
        /// Its name
        name: String,
        /// Only this report (R00…)
        #[arg(long, value_name = "ID")]
        report: Option<String>,
    },
    /// Confirm that what is withheld as missing is gone indeed, so that it is told as removed
    Release {
        /// Its name
        name: String,
        /// Where it is withheld: reports, policies, cards:acme.example
        #[arg(long)]
        scope: String,
        /// At most so many; when more are missing, nothing is released
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        ceiling: u64,
    },
}

pub(super) async fn run(connection: &Connection, command: &AccountsCommand) -> Result<Exit, Failure> {
    use AccountsCommand as Command;
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match command {
        Command::List => list(&client, &mut output).await?,
        Command::Show { name } => show(&client, name, &mut output).await?,
        Command::Refresh { name, report } => {
            let body = report.as_ref().map(|id| json!({ "report": id }));
            let queued = client.post(&[PATH, name, "refresh"], body.as_ref()).await.map_err(with_hint)?;
            output.item(&queued)?;
            eprintln!("queued; `expensewire accounts show {}` tells when it was read", plain(name));
        }
        Command::Release { name, scope, ceiling } => {
            let body = json!({ "scope": scope, "ceiling": ceiling });
            let released = client.post(&[PATH, name, "release"], Some(&body)).await.map_err(with_hint)?;
            output.item(&released)?;
        }
    }
    Ok(Exit::Ok)
}

async fn list(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let mut answer: Value = client.get(&[PATH], &[]).await?;
    let Some(Value::Array(all)) = answer.get_mut(PATH).map(Value::take) else {
        return Err(Failure::new(Exit::Unexpected, "the answer is not a list of accounts"));
    };
    match output.format() {
        Format::Table => output.list(view::ACCOUNTS, &all.iter().map(view::account_row).collect::<Vec<_>>())?,
        Format::Json | Format::Ndjson => output.list(&[], &all)?,
    }
    Ok(())
}

async fn show(client: &Client, name: &str, output: &mut Output) -> Result<(), Failure> {
    let account: Value = client.get(&[PATH, name], &[]).await.map_err(with_hint)?;
    if output.format() != Format::Table {
        return Ok(output.item(&account)?);
    }
    for line in view::heading(&account) {
        output.line(&line)?;
    }
    let rows: Vec<Value> = view::list(&account, "watches").iter().map(view::watch_row).collect();
    output.line("")?;
    output.list(view::WATCHES, &rows)?;
    let amiss = view::amiss(&account);
    if !amiss.is_empty() {
        output.line("")?;
    }
    for line in amiss {
        output.line(&line)?;
    }
    Ok(())
}

fn with_hint(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => failure.hint("`expensewire accounts list` shows those that there are"),
        Exit::Conflict => failure.hint("`expensewire accounts show` tells what is withheld, and where"),
        _ => failure,
    }
}
