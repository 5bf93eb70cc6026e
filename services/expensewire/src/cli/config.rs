//! `config check|show|init|schema`.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    config::{Config, ConfigErrors, EXAMPLE, Loaded, schema},
    exit::{Exit, Failure},
    output::{Format, Output},
};

/// The file that is used when none is named and it is there.
const DEFAULT_FILE: &str = "expensewire.toml";

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub struct ConfigArg {
    /// The configuration file; without one, ./expensewire.toml if it is there, else the environment alone
    #[arg(long, env = "EXPENSEWIRE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigArg {
    /// Loads the configuration from the file and the environment of the process.
    ///
    /// # Errors
    ///
    /// Every mistake in it at once.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        let default = Path::new(DEFAULT_FILE);
        let file = self.config.as_deref().or_else(|| default.exists().then_some(default));
        // A name or a value that is no Unicode is taken with its bad bytes replaced: it is then refused by its key.
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Config::load(file, std::env::vars_os().map(|(name, value)| (text(name), text(value))))
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong with the configuration; exit 6 if anything is
    Check {
        /// Where it is.
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Show what holds, defaults filled in, secrets left out
    Show {
        /// Where it is.
        #[command(flatten)]
        config: ConfigArg,
        /// Show where each value comes from
        #[arg(long)]
        origin: bool,
        /// TOML, or a JSON object of keys with value and origin
        #[arg(short, long, value_name = "FORM", default_value = "toml")]
        output: ShowFormat,
    },
    /// Write an example configuration with every key
    Init {
        /// The file to write
        #[arg(default_value = DEFAULT_FILE, value_name = "FILE")]
        file: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Print the JSON schema of the configuration
    Schema,
}

/// The form of `config show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// As the file is written.
    Toml,
    /// One object.
    Json,
}

pub(super) fn run(command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Check { config } => check(config),
        ConfigCommand::Show { config, origin, output } => show(&config.load()?, *origin, *output),
        ConfigCommand::Init { file, force } => init(file, *force),
        ConfigCommand::Schema => {
            io::stdout().write_all(schema::text().as_bytes())?;
            Ok(Exit::Ok)
        }
    }
}

fn check(config: &ConfigArg) -> Result<Exit, Failure> {
    let loaded = config.load().map_err(|errors| Failure { exit: Exit::CheckFailed, ..Failure::from(errors) })?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let accounts: Vec<_> = loaded.config.accounts.iter().map(|account| account.name.as_str()).collect();
    let accounts = if accounts.is_empty() { "none".to_owned() } else { accounts.join(", ") };
    Output::stdout(Some(Format::Table)).line(&format!("the configuration is good; accounts: {accounts}"))?;
    Ok(Exit::Ok)
}

fn show(loaded: &Loaded, with_origin: bool, format: ShowFormat) -> Result<Exit, Failure> {
    let text = match format {
        ShowFormat::Toml => loaded.show(with_origin),
        ShowFormat::Json => format!("{:#}\n", loaded.show_json()),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Ok)
}

fn init(file: &Path, force: bool) -> Result<Exit, Failure> {
    let written = if force {
        fs::write(file, EXAMPLE)
    } else {
        fs::File::create_new(file).and_then(|mut file| file.write_all(EXAMPLE.as_bytes()))
    };
    match written {
        Ok(()) => {
            let shown = file.display();
            eprintln!("wrote {shown}");
            eprintln!("hint: put your credentials in, then `expensewire config check --config {shown}`");
            Ok(Exit::Ok)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let what = format!("{} is there already", file.display());
            Err(Failure::new(Exit::Conflict, what).hint("--force replaces it"))
        }
        Err(error) => Err(Failure::new(Exit::Unexpected, format!("{} cannot be written: {error}", file.display()))),
    }
}
