//! `expensewire demo`: the whole pipeline in one process, for somebody who wants to see it work.
//!
//! A simulated Expensify, the service as `serve` runs it, and a receiver that checks every signature; they talk over HTTP
//! on loopback and nothing is short-circuited. The state is in a temporary directory that goes with the process. The
//! simulator's rate limit (and the service's budget with it) is ten times Expensify's unless the real one is asked for.

mod play;
mod receiver;
mod scene;

use anyhow::Result;
use scene::Scene;

use crate::{cli::DemoArgs, config::Config, service::Service, signals};

/// Requests that the demo's upstream allows, or the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In any 10 s.
    pub per_10s: u32,
    /// In any 60 s.
    pub per_60s: u32,
}

impl Limits {
    /// Expensify's.
    pub const REAL: Self = Self { per_10s: 5, per_60s: 20 };
    /// Ten times that: nobody should wait in a demo.
    pub const QUICK: Self = Self { per_10s: 50, per_60s: 200 };
}

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// What could not be started, or failed while running.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let limits = if args.real_limits { Limits::REAL } else { Limits::QUICK };
    let asked = signals::stop_asked()?;
    let scene = Scene::set(args, limits).await?;
    let loaded = Config::load(Some(&scene.config_path()), std::iter::empty())?;
    let service = Service::start(loaded.config).await?;
    let api = format!("http://{}", service.address());
    let key = service.new_admin_key().unwrap_or_default().to_owned();
    scene.announce(&api, &key, limits);
    let mut failed = None;
    let play = play::run(scene.clone(), api, key);
    let over = async {
        tokio::select! {
            biased;
            () = asked => {}
            outcome = play => failed = outcome.err(),
        }
    };
    let ended = service.run_until(over).await;
    scene.clear().await;
    ended.and(failed.map_or(Ok(()), Err))
}
