//! `subscriptions create|list|show|update|delete|pause|resume|rotate-secret|test`.

mod args;
mod rotate;

use std::io::{self, BufRead, IsTerminal, Write};

pub use args::{CreateArgs, SubscriptionsCommand, UpdateArgs};
pub use rotate::RotateArgs;
use serde_json::Value;

use super::client::{Client, Connection};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Output, plain},
};

const PATH: &str = "subscriptions";

const COLUMNS: &[Column] = &[
    Column { head: "ID", pointer: "/id" },
    Column { head: "STATUS", pointer: "/status/state" },
    Column { head: "EVENTS", pointer: "/events" },
    Column { head: "CURSOR", pointer: "/cursor" },
    Column { head: "LAG", pointer: "/lag_events" },
    Column { head: "PENDING", pointer: "/pending" },
    Column { head: "DEAD", pointer: "/dead_letters" },
    Column { head: "URL", pointer: "/url" },
];

pub(super) async fn run(connection: &Connection, command: &SubscriptionsCommand) -> Result<Exit, Failure> {
    use SubscriptionsCommand as Command;
    let client = Client::new(connection)?;
    let mut output = connection.output();
    match command {
        Command::Create(args) => create(&client, args, &mut output).await?,
        Command::List => list(&client, &mut output).await?,
        Command::Show { id } => {
            let shown: Value = client.get(&[PATH, id], &[]).await.map_err(with_hint)?;
            output.item(&shown)?;
        }
        Command::Update(args) => {
            output.item(&client.patch(&[PATH, &args.id], &args.body()?).await.map_err(with_hint)?)?;
        }
        Command::Delete { id, yes } => return delete(&client, id, *yes).await,
        Command::Pause { id } => act(&client, id, "pause", &mut output).await?,
        Command::Resume { id } => act(&client, id, "resume", &mut output).await?,
        Command::RotateSecret(args) => rotate::run(&client, args, &mut output).await.map_err(with_hint)?,
        Command::Test { id } => {
            act(&client, id, "test", &mut output).await?;
            eprintln!("a test event is on its way; `expensewire subscriptions show {}` tells how it went", plain(id));
        }
    }
    Ok(Exit::Ok)
}

async fn create(client: &Client, args: &CreateArgs, output: &mut Output) -> Result<(), Failure> {
    let made = client.post(&[PATH], Some(&args.body()?)).await?;
    output.item(&made)?;
    if made.get("secret").is_some() {
        eprintln!("hint: the secret is shown this once; receivers check signatures with it, `expensewire verify` too");
    }
    Ok(())
}

async fn list(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let all = client.list(&[PATH], &[]).await?;
    output.list(COLUMNS, &all)?;
    Ok(())
}

async fn delete(client: &Client, id: &str, yes: bool) -> Result<Exit, Failure> {
    let asked = io::stdin().is_terminal() && io::stderr().is_terminal();
    if asked && !yes && !confirmed(&format!("Delete {} with its cursor and secret?", plain(id)))? {
        eprintln!("nothing was deleted");
        return Ok(Exit::Interrupted);
    }
    client.delete(&[PATH, id], &[]).await.map_err(with_hint)?;
    eprintln!("deleted {}", plain(id));
    Ok(Exit::Ok)
}

fn confirmed(question: &str) -> Result<bool, Failure> {
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn act(client: &Client, id: &str, action: &str, output: &mut Output) -> Result<(), Failure> {
    output.item(&client.post(&[PATH, id, action], None).await.map_err(with_hint)?)?;
    Ok(())
}

fn with_hint(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NotFound => failure.hint("`expensewire subscriptions list` shows those that there are"),
        _ => failure,
    }
}
