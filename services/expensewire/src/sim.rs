//! `expensewire sim`: the simulated Expensify alone.

use std::time::Duration;

use anyhow::{Context, Result};
use expensify_sim::{Quiet, RateLimitForm, RateLimits, SimConfig, Simulator};
use tokio::net::TcpListener;

use crate::{
    cli::{OverLimit, SimArgs},
    signals,
};

/// Runs the simulator until asked to stop.
///
/// # Errors
/// An address that cannot be listened on, or a setting that makes no sense.
pub async fn run(args: &SimArgs) -> Result<()> {
    let asked = signals::stop_asked()?;
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("listening on {} (--listen)", args.listen))?;
    let config = config(args);
    let user = config.credentials.partner_user_id.clone();
    let secret = config.credentials.partner_user_secret.clone();
    let domain = config.domain.clone();
    let simulator = Simulator::start(config, listener).await?;
    println!("A simulated Expensify. Ctrl-C stops it.\n");
    println!("  endpoint             {}", simulator.endpoint());
    println!("  partnerUserID        {user}");
    println!("  partnerUserSecret    {secret}");
    println!("  domain               {domain}");
    println!("  control              {}", simulator.control_url());
    asked.await;
    simulator.stop().await;
    Ok(())
}

fn config(args: &SimArgs) -> SimConfig {
    SimConfig {
        seed: args.seed,
        reports: args.reports,
        policies: args.policies,
        cards: args.cards,
        changes_per_minute: args.changes_per_minute,
        quiet: Quiet::all(Duration::from_secs(args.quiet_seconds)),
        limits: RateLimits { per_10s: args.per_10s, per_60s: args.per_60s },
        rate_limit_form: match args.over_limit {
            OverLimit::Http429 => RateLimitForm::Http429,
            OverLimit::Http200 => RateLimitForm::Http200,
        },
        ..SimConfig::default()
    }
}
