//! The configuration as it is written: one small struct per section. The published JSON schema is made from these types.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use event_model::AccountName;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{schema, secret::Secret};

/// Where the Integration Server answers for everybody.
const PUBLIC_ENDPOINT: &str = "https://integrations.expensify.com/Integration-Server/ExpensifyIntegrations";

/// The configuration of Expensewire. Every key can also be set by the environment: `EXPENSEWIRE__SECTION__KEY`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Expensewire configuration")]
pub struct Document {
    /// The HTTP side.
    pub server: ServerConfig,
    /// Where the log lies.
    pub store: StoreConfig,
    /// Keys of our own.
    pub security: SecurityDocument,
    /// One table per Expensify credential pair, by the name that appears in events.
    #[schemars(schema_with = "schema::accounts")]
    pub accounts: BTreeMap<AccountName, AccountDocument>,
    /// How deliveries are sent.
    pub delivery: DeliveryConfig,
    /// How long history is kept, and when it is checked.
    pub retention: RetentionConfig,
    /// Where traces go.
    pub traces: TracesDocument,
}

/// `[server]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port of the API, the metrics and the console.
    #[schemars(with = "String", extend("format" = "socket-address"))]
    pub listen: SocketAddr,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)) }
    }
}

/// `[store]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// What holds the log. `sled` is embedded: one directory, no server.
    pub engine: Engine,
    /// Directory of the log and of everything derived from it, relative to the working directory.
    #[schemars(with = "String", length(min = 1))]
    pub path: PathBuf,
    /// What an acknowledged event survives. `process-crash` is faster; a power cut then loses what was acknowledged last, and
    /// may leave a directory that does not open.
    pub durability: Durability,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { engine: Engine::Sled, path: PathBuf::from("./data"), durability: Durability::PowerLoss }
    }
}

/// What an acknowledged event survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Durability {
    /// The end of the process, of the operating system and of the power.
    #[default]
    PowerLoss,
    /// The end of the process alone.
    ProcessCrash,
}

/// What holds the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Engine {
    /// Embedded.
    #[default]
    Sled,
}

/// `[security]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityDocument {
    /// The admin API key. Without one, the first start makes one and prints it once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub admin_key: Option<Secret>,
    /// A file that holds the admin API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub admin_key_file: Option<PathBuf>,
    /// A file of 32 bytes in base64 that seals subscribers' secrets at rest; made on first start when absent, readable
    /// by its owner alone. Without this key: `sealing.key` under `store.path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1))]
    pub sealing_key_file: Option<PathBuf>,
    /// Sealing keys of before, while the secrets under them are moved to the one of `sealing_key_file`. The start moves them;
    /// a day later, when no answer kept for an `Idempotency-Key` is under them either, they can be taken out here.
    #[schemars(schema_with = "schema::ids")]
    pub older_sealing_key_files: Vec<PathBuf>,
}

/// `[accounts.NAME]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountDocument {
    /// Expensify's `partnerUserID`. Exactly one of this and `partner_user_id_file` is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub partner_user_id: Option<String>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub partner_user_id_file: Option<PathBuf>,
    /// Expensify's `partnerUserSecret`. Exactly one of this and `partner_user_secret_file` is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub partner_user_secret: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub partner_user_secret_file: Option<PathBuf>,
    /// The Integration Server. Plain http only to this machine (loopback): the secret travels in every request.
    #[schemars(with = "String", extend("format" = "http-url"))]
    pub endpoint: Url,
    /// Domains whose cards are watched; empty: no cards.
    #[schemars(schema_with = "schema::domains")]
    pub domains: Vec<String>,
    /// Policy ids to watch; empty: every policy that the credential administers.
    #[schemars(schema_with = "schema::ids")]
    pub policies: Vec<String>,
    /// How far back reports are watched, in days.
    #[schemars(range(min = 1, max = 365))]
    pub history_days: u16,
    /// What first sight writes: `snapshot` puts the whole current state into the log as `*.snapshot` events.
    pub initial: Initial,
    /// What may be asked of the Integration Server, and how fast.
    pub budget: BudgetConfig,
}

impl Default for AccountDocument {
    fn default() -> Self {
        Self {
            partner_user_id: None,
            partner_user_id_file: None,
            partner_user_secret: None,
            partner_user_secret_file: None,
            endpoint: Url::parse(PUBLIC_ENDPOINT).expect("the constant is a URL"),
            domains: Vec::new(),
            policies: Vec::new(),
            history_days: 365,
            initial: Initial::Snapshot,
            budget: BudgetConfig::default(),
        }
    }
}

/// What first sight of a scope writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Initial {
    /// A `*.snapshot` event for each entity.
    #[default]
    Snapshot,
}

/// `[accounts.NAME.budget]`: Expensify's limits per credential pair, and our part of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Requests in any 10 s. More than Expensify's 5 is for simulators.
    #[schemars(range(min = 1, max = 1000))]
    pub per_10s: u32,
    /// Requests in any 60 s. More than Expensify's 20 is for simulators.
    #[schemars(range(min = 1, max = 1000))]
    pub per_60s: u32,
    /// The part of both that is ours, above 0 and at most 1: leave room for other users of the same pair.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub share: f64,
}

impl BudgetConfig {
    /// What Expensify grants one credential pair.
    pub const UPSTREAM: Self = Self { per_10s: 5, per_60s: 20, share: 1.0 };
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self::UPSTREAM
    }
}

/// `[delivery]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Seconds for a whole attempt: connecting, TLS, headers and body.
    #[schemars(range(min = 1, max = 120))]
    pub timeout_s: u16,
    /// Whether plain http targets are accepted.
    pub allow_http: bool,
    /// Address ranges that deliveries may go to although they are not public, as in `["127.0.0.0/8"]`.
    #[schemars(schema_with = "schema::cidrs")]
    pub allow_cidrs: Vec<IpNet>,
}

impl DeliveryConfig {
    /// The deadline of an attempt.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.into())
    }
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self { timeout_s: 15, allow_http: false, allow_cidrs: Vec::new() }
    }
}

/// `[retention]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Days that events are kept at least. Of what is older the last event of each entity stays.
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
    /// Bytes of the log on disk beyond which older events go before their days are over. Without it only days count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub max_bytes: Option<u64>,
    /// Whether events go although a subscription has not read them yet. It is then told by `subscription.history_cut`.
    pub force: bool,
    /// When the log is verified and the states are folded anew and compared.
    pub check: Check,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { days: 90, max_bytes: None, force: false, check: Check::Nightly }
    }
}

/// When the log is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Check {
    /// Each night at 02:00 UTC.
    #[default]
    Nightly,
    /// Only when somebody asks.
    Off,
}

/// `[traces]`: one trace from a read of Expensify to its events and each attempt to deliver them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TracesDocument {
    /// The collector, by OTLP over HTTP (protobuf); spans go to `v1/traces` under it. Without it nothing is traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "http-url"))]
    pub endpoint: Option<Url>,
    /// A file that holds what the collector wants as the header `Authorization`, like `Bearer ...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1))]
    pub authorization_file: Option<PathBuf>,
    /// The part of all traces that is kept, from 0 to 1. Each is kept whole or not at all.
    #[schemars(range(min = 0, max = 1))]
    pub share: f64,
}

impl Default for TracesDocument {
    fn default() -> Self {
        Self { endpoint: None, authorization_file: None, share: 1.0 }
    }
}
