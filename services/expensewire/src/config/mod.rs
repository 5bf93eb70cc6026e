//! The configuration: one TOML file, overridden key by key by the environment, complete before anything starts.
//!
//! Loading goes through these steps, and goes on after a mistake wherever that is possible, so that all of them are
//! told at once:
//!
//! 1. the layers are merged into one tree, with the origin of each key ([`Origins`]);
//! 2. the tree is checked against the JSON schema that is made from the types in [`Document`], and what is wrong is
//!    taken out of it;
//! 3. the rest is read into a [`Document`], secrets are fetched from their files, and what the schema cannot say is
//!    checked.
//!
//! Nothing here reads the process's environment or knows a default path: both are arguments. The value of a secret
//! reaches neither an error nor `Debug` nor `config show`.

mod document;
mod draft;
mod environment;
mod error;
mod file;
mod place;
mod rules;
pub mod schema;
pub mod sealing;
mod secret;
mod shape;
mod show;
#[cfg(test)]
mod tests;

use std::path::Path;

use event_model::AccountName;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

pub use document::{
    AccountDocument, BudgetConfig, Check, DeliveryConfig, Document, Durability, Engine, Initial, RetentionConfig,
    SecurityDocument, ServerConfig, StoreConfig, TracesDocument,
};
use draft::Draft;
pub use error::{ConfigErrors, Finding};
pub use place::{KeyPath, Origin, Origins};
pub use secret::Secret;

/// An example with every key, commented: what `config init` writes.
pub const EXAMPLE: &str = include_str!("../../../../config/expensewire.example.toml");

/// A configuration that the service can run with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The HTTP side.
    pub server: ServerConfig,
    /// Where the log lies.
    pub store: StoreConfig,
    /// Keys of our own.
    pub security: Security,
    /// The accounts, by name.
    pub accounts: Vec<Account>,
    /// How deliveries are sent.
    pub delivery: DeliveryConfig,
    /// How long history is kept, and when it is checked.
    pub retention: RetentionConfig,
    /// Where traces go, when they are wanted.
    pub traces: Option<Traces>,
}

/// Keys of our own.
#[derive(Clone, Debug)]
pub struct Security {
    /// The admin API key, when one is configured.
    pub admin_key: Option<SecretString>,
    /// Where the sealing key lies, or will lie: see [`sealing::load_or_create`].
    pub sealing_key_path: std::path::PathBuf,
    /// Where those of before lie.
    pub older_sealing_key_paths: Vec<std::path::PathBuf>,
}

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The collector.
    pub endpoint: Url,
    /// The value of the header `Authorization`.
    pub authorization: Option<SecretString>,
    /// The part that is kept, from 0 to 1.
    pub share: f64,
}

/// One Expensify credential pair and what is watched with it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name in events.
    pub name: AccountName,
    /// `partnerUserID`.
    pub partner_user_id: String,
    /// `partnerUserSecret`.
    pub partner_user_secret: SecretString,
    /// The Integration Server.
    pub endpoint: Url,
    /// Domains whose cards are watched.
    pub domains: Vec<String>,
    /// Policies to watch; empty for all.
    pub policies: Vec<String>,
    /// How far back reports are watched, in days.
    pub history_days: u16,
    /// What first sight writes.
    pub initial: Initial,
    /// Our part of the rate limit.
    pub budget: BudgetConfig,
}

/// A configuration and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the service runs with.
    pub config: Config,
    /// The same as it was written, defaults filled in.
    pub document: Document,
    /// Who set which key.
    pub origins: Origins,
    /// What is allowed and yet worth a word.
    pub warnings: Vec<Finding>,
}

impl Config {
    /// Loads the file at `path`, if one is given, and what `environment` (names and values of variables) puts over it.
    /// Reads that file, the secret files that it names and the sealing key if there is one, and writes nothing.
    ///
    /// # Errors
    ///
    /// Every mistake at once, each with its key and origin. A file that cannot be read or is no TOML is told alone.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigErrors> {
        let mut draft = Draft::default();
        if let Some(path) = path {
            file::read(path, &mut draft).map_err(ConfigErrors::new)?;
        }
        environment::apply(environment, &mut draft);
        if path.is_none() && draft.origins.is_empty() {
            draft
                .mistake(&KeyPath::default(), "there is none: no file is given, and nothing is set in the environment")
                .hint = Some("`expensewire config init` writes an example to start from".to_owned());
            return Err(ConfigErrors::new(draft.mistakes));
        }
        shape::check(&mut draft);
        finish(draft)
    }
}

fn finish(mut draft: Draft) -> Result<Loaded, ConfigErrors> {
    let misnamed = Value::Object(draft.take_misnamed_accounts());
    let tree = Value::Object(draft.tree.clone());
    let read = serde_json::from_value::<Document>(tree).and_then(|tree| Ok((tree, serde_json::from_value(misnamed)?)));
    let (mut document, misnamed) = match read {
        Ok(read) => read,
        Err(error) => {
            // The schema and the types are one; should they ever differ, that is told and not guessed over.
            draft.mistake(&KeyPath::default(), format!("cannot be read: {error}"));
            return Err(ConfigErrors::new(draft.mistakes));
        }
    };
    let config = rules::resolve(document.clone(), misnamed, &mut draft);
    // The one default that is made from another key.
    document.security.sealing_key_file.get_or_insert_with(|| config.security.sealing_key_path.clone());
    if draft.mistakes.is_empty() {
        Ok(Loaded { config, document, origins: draft.origins, warnings: draft.warnings })
    } else {
        Err(ConfigErrors::new(draft.mistakes))
    }
}
