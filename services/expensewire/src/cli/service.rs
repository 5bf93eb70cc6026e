//! The arguments of the commands that run something.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use super::config::ConfigArg;

/// `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArg,
}

/// `demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Decides the simulated company and what happens in it
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Address and port of the API; any free port when this one is taken
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Hold to Expensify's own rate limit instead of ten times that
    #[arg(long)]
    pub real_limits: bool,
}

/// `sim`.
#[derive(Args, Debug)]
pub struct SimArgs {
    /// Address and port to answer on; port 0 is any free one, printed
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Decides the simulated company and what happens in it
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Reports at the start
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub reports: usize,
    /// Policies at the start
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub policies: usize,
    /// Cards at the start
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub cards: usize,
    /// Pace of what happens by itself; 0 is none
    #[arg(long, default_value_t = 0.0, value_name = "X", value_parser = pace)]
    pub changes_per_minute: f64,
    /// Seconds that an entity is left alone after a change to it
    #[arg(long, default_value_t = 30, value_name = "S")]
    pub quiet_seconds: u64,
    /// How a request over the rate limit is answered; the envelope inside is the same
    #[arg(long, value_enum, default_value_t = OverLimit::Http429, value_name = "FORM")]
    pub over_limit: OverLimit,
    /// Requests allowed in any 10 seconds; 0 for no limit
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub per_10s: u32,
    /// Requests allowed in any 60 seconds; 0 for no limit
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub per_60s: u32,
}

/// How the simulator answers a request over the rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverLimit {
    /// HTTP status 429.
    #[value(name = "http-429")]
    Http429,
    /// HTTP status 200.
    #[value(name = "http-200")]
    Http200,
}

/// A finite number, 0 or more.
fn pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(pace) if pace.is_finite() && pace >= 0.0 => Ok(pace),
        _ => Err("must be a number, 0 or more".to_owned()),
    }
}
