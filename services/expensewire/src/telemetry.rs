//! The log of the process: structured, on standard error, filtered. Secrets are kept out by their types: nothing that
//! holds one implements `Debug` or `Display` with it.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// What the log shows, and how.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// What is logged: a level, or a filter like `info,poller=debug`
    #[arg(long, global = true, env = "EXPENSEWIRE_LOG", value_name = "FILTER", help_heading = "Logging")]
    pub log: Option<String>,
    /// The form of the log on standard error
    #[arg(long, global = true, value_name = "FORM", default_value = "text", help_heading = "Logging")]
    pub log_format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter says nothing that we know.
    #[error("{filter:?} is not a log filter")]
    Filter {
        /// What was given.
        filter: String,
        /// Why it is none.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else in the process has set a log up already.
    #[error("the log is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets the log of the process up: `args` as given, `default_filter` when there is no filter.
///
/// # Errors
///
/// A filter that is none, or a second call.
pub fn init(args: &LogArgs, default_filter: &str) -> Result<(), TelemetryError> {
    let text = args.log.as_deref().filter(|text| !text.is_empty()).unwrap_or(default_filter);
    let filter =
        EnvFilter::try_new(text).map_err(|source| TelemetryError::Filter { filter: text.to_owned(), source })?;
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let registry = tracing_subscriber::registry().with(filter);
    match args.log_format {
        LogFormat::Text => {
            let layer = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal() && !no_colour);
            registry.with(layer).try_init()
        }
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init(),
    }
    .map_err(TelemetryError::Twice)
}
