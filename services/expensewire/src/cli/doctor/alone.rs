//! The checks where no service runs: the store is open here, and the upstream is asked by us.

use std::{fmt::Display, future::Future, time::Duration};

use event_model::{Spans, Subscription, subscription::Status};
use event_store::{EventStore, MemoryDisk, TableName, Verified};
use expensify_client::{ClientError, EngineReport, doctor::FailureHandling};
use jiff::Timestamp;
use poller::Visit;
use prometheus::Registry;

use super::{
    After, DoctorArgs, MAX_REQUESTS, Skip,
    check::{Check, Report},
    endpoints::{self, Endpoint},
    patience::{Patience, TimeUp},
    verdict,
};
use crate::{
    cli::progress::Progress,
    config::{Account, Config},
    exit::{Exit, Failure},
    service::account_config,
};

/// For one question about an account: the waits of the budget, and an export of one report.
const PATIENCE: Duration = Duration::from_secs(150);
/// For the end of the store, where the time was over before the log was read. Cut off it loses nothing.
const CLOSING: Duration = Duration::from_secs(5);

pub(super) async fn check(
    args: &DoctorArgs,
    config: &Config,
    store: &EventStore,
    patience: Patience,
    report: &mut Report,
) -> Result<(), Failure> {
    report
        .add(Check::ok("service", "none runs on this store; it was opened here, and the upstream was asked directly"));
    upstream(args, config, store, patience, report).await?;
    if args.skips(Skip::Subscribers) {
        report.add(Check::skipped("subscriber", "left out"));
    } else {
        let stored = store.table::<Subscription>(TableName::Subscriptions).list("").await;
        let all = stored.map_err(crate::cli::place::store_failure)?;
        let now = Timestamp::now();
        let active = all.into_iter().filter(|(_, one)| one.status == Status::Active && !one.has_lapsed(now));
        let endpoints = active.map(|(id, one)| Endpoint { subscription: id, url: one.url }).collect();
        endpoints::check(endpoints, &config.delivery, patience).await.into_iter().for_each(|check| report.add(check));
    }
    log(args, store, patience, report).await;
    tokio::time::timeout(CLOSING, store.close()).await.unwrap_or(Ok(())).map_err(crate::cli::place::store_failure)
}

async fn log(args: &DoctorArgs, store: &EventStore, patience: Patience, report: &mut Report) {
    if args.skips(Skip::Log) {
        report.add(Check::skipped("log", "left out"));
        return;
    }
    let last = store.last_sequence();
    let mut progress = Progress::new();
    let verified = patience.rest(store.verify(move |at| progress.tell(&format!("log: {at} of {last}")))).await;
    report.add(match verified {
        Err(time_up) => time_up.check("log"),
        Ok(Ok(Verified { events, last, .. })) => {
            #[expect(clippy::cast_precision_loss, reason = "a count for people")]
            let count = events as f64;
            Check::ok("log", format!("{events} events up to {last}, each chained to the one before"))
                .measure("log_events", count)
        }
        Ok(Err(error)) => verdict::of_store(&error),
    });
}

/// Before there is a store there is no ledger to count in. So the requests are counted in memory, and the doctor stays until
/// the upstream has forgotten them: a service that is started next has its whole budget.
pub(super) async fn check_before_the_first_start(
    args: &DoctorArgs,
    config: &Config,
    patience: Patience,
    report: &mut Report,
) -> Result<After, Failure> {
    report.add(Check::ok("service", "it was never started with this directory; there is no log yet"));
    let store = EventStore::open_memory(&MemoryDisk::default()).map_err(crate::cli::place::store_failure)?;
    let sent = upstream(args, config, &store, patience, report).await?;
    Ok(if sent > 0 { After::Settle } else { After::Nothing })
}

/// Asks about each account, and gives how many requests went out.
async fn upstream(
    args: &DoctorArgs,
    config: &Config,
    store: &EventStore,
    patience: Patience,
    report: &mut Report,
) -> Result<u32, Failure> {
    if args.skips(Skip::Upstream) {
        report.add(Check::skipped("upstream", "left out"));
        return Ok(0);
    }
    let metrics = poller::Metrics::register(&Registry::new()).map_err(anyhow::Error::new)?;
    let mut sent = 0;
    for account in &config.accounts {
        let visit = Visit::open(account_config(account, &Spans::default()), store, metrics.clone(), MAX_REQUESTS);
        let visit = visit.await.map_err(|error| Failure::new(Exit::Unexpected, format!("{error:#}")))?;
        let name = account.name.as_str();
        report.add(verdict::of_budget(name, &visit.budget()));
        ask(account, &visit, patience, report).await;
        let offset = visit.client().clock_offset();
        report.add(verdict::of_clock(name, offset.map(|offset| offset.as_secs_f64())));
        sent += visit.sent();
        visit.close().await.map_err(crate::cli::place::store_failure)?;
    }
    Ok(sent)
}

/// Credentials first: when they are wrong nothing else need be asked.
async fn ask(account: &Account, visit: &Visit, patience: Patience, report: &mut Report) {
    let name = &account.name;
    match in_time(patience, visit.client().policy_list(true)).await {
        Ok(policies) => report.add(administers(policies.len()).about(name)),
        Err(failed) => {
            report.add(failed.check("credentials").about(name));
            report.add(Check::skipped("template", "the upstream was not asked further").about(name));
            return;
        }
    }
    match in_time(patience, visit.client().doctor()).await {
        Ok(engine) => report.add(of_engine(&engine).about(name)),
        Err(failed) => report.add(failed.check("template").about(name)),
    }
}

fn administers(policies: usize) -> Check {
    match policies {
        0 => Check::warn("credentials", "accepted, but they administer no policy")
            .why("only what the credential's user administers can be read")
            .next("make that user an administrator of the policies to watch"),
        1 => Check::ok("credentials", "accepted; they administer 1 policy"),
        policies => Check::ok("credentials", format!("accepted; they administer {policies} policies")),
    }
}

fn of_engine(engine: &EngineReport) -> Check {
    let seen = format!("FreeMarker {}, locale {}", engine.engine, engine.locale);
    if !engine.concerns.is_empty() {
        return Check::fail("template", format!("{seen}: {}", engine.concerns.join("; ")))
            .why("reports cannot be read as they are")
            .next("open an issue with this line: the template must learn this");
    }
    match engine.failures {
        FailureHandling::Unknown => Check::warn("template", format!("{seen}; it handles errors in an unknown way"))
            .why("a report that cannot be printed whole may come out short")
            .next("see the log for incomplete reads"),
        FailureHandling::Throws | FailureHandling::PrintsNothing | FailureHandling::ReadsAsBlank => {
            Check::ok("template", format!("{seen}; reports can be read"))
        }
    }
}

/// Why the upstream did not answer as asked.
enum Failed {
    Refused(ClientError),
    Silent(TimeUp),
}

async fn in_time<T>(patience: Patience, asked: impl Future<Output = Result<T, ClientError>>) -> Result<T, Failed> {
    patience.wait(PATIENCE, asked).await.map_err(Failed::Silent)?.map_err(Failed::Refused)
}

impl Failed {
    fn check(&self, name: &'static str) -> Check {
        let error = match self {
            Self::Silent(time_up) => {
                return time_up.check(name).why("the upstream is slow or silent, or the budget was used up before");
            }
            Self::Refused(error) => error,
        };
        let what = told(error);
        match error {
            ClientError::Refused { .. } => Check::fail(name, what).next(
                "compare the pair with https://www.expensify.com/tools/integrations/; a new one replaces the old",
            ),
            ClientError::RateLimited { .. } => Check::warn(name, what)
                .why("somebody else uses this credential pair at this moment")
                .next("leave them a part by accounts.NAME.budget.share"),
            ClientError::NoAnswer { .. } | ClientError::TimedOut { .. } => {
                Check::fail(name, what).next("see whether this machine reaches the endpoint: DNS, firewall, proxy")
            }
            _ => Check::fail(name, what).next("see accounts.NAME.endpoint, and what stands between"),
        }
    }
}

/// An error with its causes.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error as &dyn Display)
        .map(ToString::to_string)
        .chain(causes.map(ToString::to_string))
        .collect::<Vec<_>>()
        .join(": ")
}
