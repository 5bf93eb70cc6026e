//! `expensewire serve`: the service, from its configuration to its last flush.

use std::pin::pin;

use anyhow::Result;

use crate::{
    cli::ServeArgs,
    exit::{Exit, Failure},
    manager,
    service::Service,
    signals,
};

/// Loads the configuration, starts the service and runs it until asked to stop.
///
/// # Errors
/// A configuration with mistakes (all of them, nothing started), or what failed while starting or running.
pub async fn run(args: &ServeArgs) -> Result<Exit, Failure> {
    let loaded = args.config.load()?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut asked = pin!(signals::stop_asked()?);
    // Opening a large store takes its time; who asks to stop meanwhile need not wait for it.
    let service = tokio::select! {
        started = Service::start(loaded.config) => started?,
        () = &mut asked => return Ok(Exit::Ok),
    };
    if let Some(key) = service.new_admin_key() {
        println!("A new admin key, shown only this once: {key}");
    }
    manager::ready(service.address());
    let asked = async {
        asked.await;
        manager::stopping();
    };
    service.run_until(asked).await?;
    Ok(Exit::Ok)
}
