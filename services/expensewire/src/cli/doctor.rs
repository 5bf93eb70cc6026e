//! `doctor`: whether everything that the service needs is there, checked one thing after the other.
//!
//! Where a service runs on the configured store it is asked: it holds the store, and the budget of each credential pair is
//! its to spend. Where none runs the store is opened in place (that is how it shows that none does), and the upstream gets
//! at most [`MAX_REQUESTS`] requests an account, through the gate and the ledger that the service uses. So no doctor makes a
//! service pass the limit, neither one that runs nor one that is started right after.

mod alone;
mod certificate;
mod check;
mod endpoints;
mod form;
mod ground;
mod online;
mod patience;
mod verdict;

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use event_store::StoreError;
use secrecy::ExposeSecret;
use url::Url;

use self::{
    check::{Check, Report},
    form::DoctorForm,
    patience::Patience,
};
use super::{
    client::{ApiKey, Connection, server_url},
    config::ConfigArg,
};
use crate::{
    config::{Config, Loaded},
    exit::{Exit, Failure},
};

/// Requests to the upstream for one account: a list of policies, and an export of one report with its download.
const MAX_REQUESTS: u32 = 3;

/// `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Leave checks out, which then take no time: upstream (asks Expensify, if no service runs), subscribers, log
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub skip: Vec<Skip>,
    /// Seconds for all that is asked and read; what was not found out by then is told as that. Opening a store does not count
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = value_parser!(u32).range(1..=86_400))]
    pub timeout: u32,
    /// Seconds to stay at the end if Expensify was asked before the first start, so that the service has its whole limit then
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u32).range(..=60))]
    pub settle: u32,
    /// The form of what is printed. nagios ends with the exit codes of its plugins: 0, 1 warning, 2 critical
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: DoctorForm,
    /// The service to ask if one runs; without it where the configuration has it listen
    #[arg(long, env = "EXPENSEWIRE_SERVER", value_name = "URL", value_parser = server_url)]
    pub server: Option<Url>,
    /// An API key that may do everything; without it that of the configuration
    #[arg(long, env = "EXPENSEWIRE_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<ApiKey>,
}

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Skip {
    /// What is asked of Expensify.
    Upstream,
    /// DNS and certificates of subscribers.
    Subscribers,
    /// Reading the whole log.
    Log,
}

impl DoctorArgs {
    fn skips(&self, what: Skip) -> bool {
        self.skip.contains(&what)
    }

    /// How the service of `config` is asked.
    fn connection(&self, config: &Config) -> Result<Connection, Failure> {
        let server = match &self.server {
            Some(server) => server.clone(),
            None => own_address(config)?,
        };
        let configured = || config.security.admin_key.as_ref().map(|key| ApiKey::from_text(key.expose_secret()));
        Ok(Connection { server, key: self.key.clone().or_else(configured), output: None })
    }
}

/// Where a service of this configuration is reached from this machine.
fn own_address(config: &Config) -> Result<Url, Failure> {
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let text = format!("http://{address}");
    text.parse().map_err(|_| Failure::new(Exit::Unexpected, format!("{text} is no address of a service")))
}

pub(super) async fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    tokio::select! {
        done = told(args) => done,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

/// Checks, prints, and stays if it must: whoever reads need not wait for that.
async fn told(args: &DoctorArgs) -> Result<Exit, Failure> {
    let mut report = Report::default();
    let after = match configuration(args, &mut report) {
        Some(loaded) => checked(args, &loaded.config, &mut report).await?,
        None => After::Nothing,
    };
    form::print(&report, args.output)?;
    if after == After::Settle && args.settle > 0 {
        eprintln!("waiting {} s, so that a service started next has the upstream's whole limit", args.settle);
        tokio::time::sleep(Duration::from_secs(args.settle.into())).await;
    }
    Ok(form::exit(&report, args.output))
}

/// What is left to do once everything is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    /// Wait until the upstream has forgotten the requests: they are in no ledger.
    Settle,
}

fn configuration(args: &DoctorArgs, report: &mut Report) -> Option<Loaded> {
    match args.config.load() {
        Ok(loaded) => {
            report.add(good(&loaded));
            Some(loaded)
        }
        Err(errors) => {
            let failure = Failure::from(errors);
            let next = failure.hint.unwrap_or_else(|| "`expensewire config check` tells the same, alone".to_owned());
            report.add(Check::fail("configuration", failure.what).why(failure.details.join("; ")).next(next));
            None
        }
    }
}

/// One that has no mistakes.
fn good(loaded: &Loaded) -> Check {
    let accounts: Vec<&str> = loaded.config.accounts.iter().map(|account| account.name.as_str()).collect();
    if accounts.is_empty() {
        return Check::warn("configuration", "it names no account, so nothing is watched")
            .next("add [accounts.NAME]; `expensewire config init` shows how");
    }
    let what = format!("good; accounts: {}", accounts.join(", "));
    match loaded.warnings.as_slice() {
        [] => Check::ok("configuration", what),
        warnings => Check::warn("configuration", what)
            .why(warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            .next("leave it if it is meant so"),
    }
}

async fn checked(args: &DoctorArgs, config: &Config, report: &mut Report) -> Result<After, Failure> {
    if !ground::check(config, report) {
        return Ok(After::Nothing);
    }
    let opened = ground::store(config).await;
    let patience = Patience::begin(Duration::from_secs(args.timeout.into()));
    match opened {
        Ok(Some(store)) => alone::check(args, config, &store, patience, report).await?,
        Ok(None) => return alone::check_before_the_first_start(args, config, patience, report).await,
        Err(StoreError::InUse { pid, .. }) => {
            let by = pid.map_or_else(String::new, |pid| format!(" by process {pid}"));
            online::check(args, config, &by, patience, report).await?;
        }
        Err(error) => {
            report.add(verdict::of_store(&error));
        }
    }
    Ok(After::Nothing)
}
