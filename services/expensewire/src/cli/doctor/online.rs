//! The checks where a service runs: it is asked, and the upstream is not.

use std::time::Duration;

use event_model::status::{AccountStatus, WatchStatus};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::{
    DoctorArgs, Skip,
    check::{Check, Report},
    endpoints::{self, Endpoint},
    patience::{Patience, TimeUp},
    verdict,
};
use crate::{
    cli::{client::Client, progress::Progress},
    config::Config,
    exit::{Exit, Failure},
};

/// What the service is asked first it has in memory.
const SERVICE_PATIENCE: Duration = Duration::from_secs(20);

/// Asks the service that holds the store; `by` names its process.
pub(super) async fn check(
    args: &DoctorArgs,
    config: &Config,
    by: &str,
    patience: Patience,
    report: &mut Report,
) -> Result<(), Failure> {
    let connection = args.connection(config)?;
    let client = Client::new(&connection)?;
    let mut answer: Value = match patience.wait(SERVICE_PATIENCE, client.get(&["accounts"], &[])).await {
        Ok(Ok(answer)) => answer,
        Err(time_up) => {
            report.add(silent(time_up, by, &connection.server));
            return Ok(());
        }
        Ok(Err(failure)) => {
            report.add(unanswered(&failure, by, &connection.server));
            return Ok(());
        }
    };
    let accounts: Vec<AccountStatus> = serde_json::from_value(answer["accounts"].take())
        .map_err(|_| Failure::new(Exit::Unexpected, "the service answers unlike one of this version"))?;
    report.add(Check::ok("service", format!("it runs and answers at {}; the store is held{by}", connection.server)));
    for account in &accounts {
        of_account(account, report);
    }
    for account in &config.accounts {
        if !accounts.iter().any(|known| known.name == account.name) {
            report.add(
                Check::warn("configuration", "the running service does not know this account")
                    .about(&account.name)
                    .next("start it again: the configuration is read at the start"),
            );
        }
    }
    subscribers(args, config, &client, patience, report).await;
    log(args, &client, patience, report).await;
    Ok(())
}

fn silent(time_up: TimeUp, by: &str, server: &Url) -> Check {
    let check = time_up.check("service");
    let why = format!("the store is held{by}, and that one takes connections and says nothing");
    check.about(server).why(why).next("see what that process does")
}

fn unanswered(failure: &Failure, by: &str, server: &Url) -> Check {
    let check = match failure.exit {
        Exit::Permission => Check::fail("service", format!("it runs, and the key may not ask it: {}", failure.what))
            .next("give an administrator's key by --key or EXPENSEWIRE_KEY"),
        _ => Check::fail("service", format!("the store is held{by}, and no service answers: {}", failure.what))
            .next("name the service by --server, or see what that process does"),
    };
    check.about(server)
}

fn of_account(account: &AccountStatus, report: &mut Report) {
    let name = account.name.as_str();
    report.add(verdict::of_budget(name, &account.budget));
    report.add(credentials(account).about(name));
    report.add(verdict::of_clock(name, account.clock_offset_s));
    report.add(template(&account.watches).about(name));
}

/// What the last requests of the service say of the pair.
fn credentials(account: &AccountStatus) -> Check {
    let read = account.watches.iter().filter_map(|watch| watch.fresh_as_of).max();
    match (&account.last_error, read) {
        (Some(error), read) => {
            let since = read.map_or_else(|| "nothing was read yet".to_owned(), |at| format!("last read at {at}"));
            let told = format!("{} failed at {}: {}; {since}", error.watch, error.at, error.message);
            let check =
                if read.is_some() { Check::warn("credentials", told) } else { Check::fail("credentials", told) };
            check.next(format!("`expensewire accounts show {}` shows each watch", account.name))
        }
        (None, Some(at)) => Check::ok("credentials", format!("accepted; last read at {at}")),
        (None, None) => Check::warn("credentials", "nothing was read yet").next("ask again in a minute"),
    }
}

/// Whether reports come through our template whole.
fn template(watches: &[WatchStatus]) -> Check {
    let reports: Vec<_> = watches.iter().filter(|watch| watch.name.starts_with("reports")).collect();
    let failing: Vec<&str> =
        reports.iter().filter(|watch| watch.failures > 0).map(|watch| watch.name.as_str()).collect();
    if !failing.is_empty() {
        return Check::warn("template", format!("reads fail or are incomplete: {}", failing.join(", ")))
            .next("`expensewire accounts show` tells the last error");
    }
    match reports.iter().any(|watch| watch.baselined) {
        true => Check::ok("template", "reports are read whole"),
        false => Check::warn("template", "no reports were read yet").next("ask again in a minute"),
    }
}

async fn subscribers(args: &DoctorArgs, config: &Config, client: &Client, patience: Patience, report: &mut Report) {
    if args.skips(Skip::Subscribers) {
        return report.add(Check::skipped("subscriber", "left out"));
    }
    let all = match patience.rest(client.list(&["subscriptions"], &[])).await {
        Ok(Ok(all)) => all,
        Err(time_up) => return report.add(time_up.check("subscriber")),
        Ok(Err(failure)) => {
            return report.add(Check::fail("subscriber", failure.what).next("the key must allow subscriptions:read"));
        }
    };
    let active = all.iter().filter(|one| one["status"]["state"] == "active").filter_map(|one| {
        let url = one["url"].as_str()?.parse().ok()?;
        Some(Endpoint { subscription: one["id"].as_str()?.to_owned(), url })
    });
    for check in endpoints::check(active.collect(), &config.delivery, patience).await {
        report.add(check);
    }
}

async fn log(args: &DoctorArgs, client: &Client, patience: Patience, report: &mut Report) {
    if args.skips(Skip::Log) {
        return report.add(Check::skipped("log", "left out"));
    }
    let verified = async {
        let mut progress = Progress::new();
        let mut lines = client.lines(Method::POST, &["log", "verify"], &[]).await?;
        lines.outcome(|at| progress.tell(&format!("log: {} of {}", at.sequence, at.last))).await
    };
    report.add(match patience.rest(verified).await {
        Err(time_up) => time_up.check("log"),
        Ok(Ok(Ok(told))) => {
            let what = format!("{} events up to {}, each chained to the one before", told["events"], told["last"]);
            Check::ok("log", what).measure("log_events", told["events"].as_f64().unwrap_or_default())
        }
        Ok(Ok(Err(trouble))) if trouble.is_damage() => verdict::of_damage(trouble.to_string(), trouble.sequence),
        Ok(Ok(Err(trouble))) => unverified(&trouble.to_string()),
        Ok(Err(failure)) => unverified(&failure.what),
    });
}

fn unverified(why: &str) -> Check {
    Check::warn("log", format!("could not be verified: {why}"))
        .next("the key must allow log:admin; another verification may be running")
}
