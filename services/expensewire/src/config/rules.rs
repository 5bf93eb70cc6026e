//! What the schema cannot say: secrets found, values that contradict each other, values that deserve a warning.

use std::{
    collections::BTreeMap,
    error::Error,
    path::{Path, PathBuf},
};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{
    Account, Config, Security, Traces,
    document::{AccountDocument, BudgetConfig, Document, Durability, TracesDocument},
    draft::Draft,
    place::KeyPath,
    sealing, secret,
};

/// Name of the sealing key's file under the store's directory.
const SEALING_KEY_FILE: &str = "sealing.key";

/// Shortest admin key, the API's own bound told early: keys are hashed fast, so they must be long.
const MIN_ADMIN_KEY_LENGTH: usize = 24;

/// The configuration that `document` means. Mistakes and warnings go to `draft`; the result is only good without any
/// of the former. `misnamed` are accounts that the document cannot hold, checked like the others.
pub(super) fn resolve(document: Document, misnamed: BTreeMap<String, AccountDocument>, draft: &mut Draft) -> Config {
    let security = security(&document, draft);
    let traces = traces(document.traces, draft);
    let named = document.accounts.into_iter().map(|(name, account)| (name.to_string(), account));
    let accounts = accounts(named.chain(misnamed).collect(), draft);
    if document.retention.force {
        let what = "a subscription that is behind may lose events";
        draft.warning(&KeyPath::new(["retention", "force"]), what);
    }
    if document.store.durability == Durability::ProcessCrash {
        let what = "a power cut may lose events that were acknowledged, and leave a store that does not open";
        draft.warning(&KeyPath::new(["store", "durability"]), what);
    }
    Config {
        server: document.server,
        store: document.store,
        security,
        accounts,
        delivery: document.delivery,
        retention: document.retention,
        traces,
    }
}

fn security(document: &Document, draft: &mut Draft) -> Security {
    let written = &document.security;
    let at = KeyPath::new(["security", "admin_key"]);
    let direct = written.admin_key.clone().map(SecretString::from);
    let admin_keys = forms(draft, &at, direct, written.admin_key_file.as_ref());
    for (at, key) in &admin_keys {
        let text = key.expose_secret();
        if text.len() < MIN_ADMIN_KEY_LENGTH || !text.chars().all(|c| c.is_ascii_graphic()) {
            let what =
                format!("must be at least {MIN_ADMIN_KEY_LENGTH} visible ASCII characters: it travels in a header");
            draft.mistake(at, what);
        }
    }
    let default_path = || document.store.path.join(SEALING_KEY_FILE);
    let sealing_key_path = written.sealing_key_file.clone().unwrap_or_else(default_path);
    sealing_key(&sealing_key_path, draft);
    let older_sealing_key_paths = written.older_sealing_key_files.clone();
    older_sealing_keys(&older_sealing_key_paths, draft);
    Security { admin_key: first(admin_keys), sealing_key_path, older_sealing_key_paths }
}

/// Of a key of before nothing is made: each must be there.
fn older_sealing_keys(paths: &[PathBuf], draft: &mut Draft) {
    let key = KeyPath::new(["security", "older_sealing_key_files"]);
    for path in paths {
        if let Err(error) = sealing::load(path) {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            draft.mistake(&key, format!("{error}{cause}"));
        }
    }
}

/// What the start would refuse, told early. Where the path itself is wrong, there is no file to speak of.
fn sealing_key(path: &Path, draft: &mut Draft) {
    let [security, store] = ["security", "store"].map(|section| KeyPath::new([section]));
    let key = security.join("sealing_key_file");
    let places = [&security, &key, &store, &store.join("path")];
    if places.into_iter().any(|place| draft.is_wrong(place)) {
        return;
    }
    if let Err(error) = sealing::check(path) {
        let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        draft.mistake(&key, format!("{error}{cause}"));
    }
}

fn accounts(written: BTreeMap<String, AccountDocument>, draft: &mut Draft) -> Vec<Account> {
    if written.is_empty() && draft.mistakes.is_empty() {
        draft.warning(&KeyPath::new(["accounts"]), "none is configured: nothing will be watched");
    }
    let checked: Vec<_> =
        written.into_iter().map(|(name, document)| CheckedAccount::new(name, document, draft)).collect();
    shared_credentials(&checked, draft);
    checked.into_iter().filter_map(CheckedAccount::account).collect()
}

/// An account whose mistakes are told. It may have a bad name, or lack its credentials.
struct CheckedAccount {
    name: String,
    written: AccountDocument,
    id: Option<SecretString>,
    secret: Option<SecretString>,
}

impl CheckedAccount {
    fn new(name: String, written: AccountDocument, draft: &mut Draft) -> Self {
        let at = KeyPath::new(["accounts", &name]);
        endpoint(&at.join("endpoint"), &written.endpoint, draft);
        budget(&at.join("budget"), written.budget, draft);

        let id = written.partner_user_id.clone().map(SecretString::from);
        let id = needed(draft, &at.join("partner_user_id"), id, written.partner_user_id_file.as_ref());
        let secret = written.partner_user_secret.clone().map(SecretString::from);
        let secret = needed(draft, &at.join("partner_user_secret"), secret, written.partner_user_secret_file.as_ref());
        Self { name, written, id, secret }
    }

    /// The account; `None` when what it cannot do without is wrong, which is told.
    fn account(self) -> Option<Account> {
        let Self { name, written, id, secret } = self;
        Some(Account {
            name: name.parse().ok()?,
            partner_user_id: id?.expose_secret().to_owned(),
            partner_user_secret: secret?,
            endpoint: written.endpoint,
            domains: written.domains,
            policies: written.policies,
            history_days: written.history_days,
            initial: written.initial,
            budget: written.budget,
        })
    }
}

/// The value of `key`, in either form; one must be there.
fn needed(
    draft: &mut Draft,
    key: &KeyPath,
    direct: Option<SecretString>,
    file: Option<&PathBuf>,
) -> Option<SecretString> {
    let absent = direct.is_none() && file.is_none() && !draft.is_wrong(key) && !draft.is_wrong(&file_key(key));
    if absent {
        let variable = key.variable();
        // Under a bad name of an account there may be no variable that a shell can set.
        let settable = variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let or_variable = if settable { format!(", or {variable} in the environment") } else { String::new() };
        draft.mistake(key, "is needed and not set").hint =
            Some(format!("set it, or `{}_file`{or_variable}", key.name()));
    }
    first(forms(draft, key, direct, file))
}

/// The values of `key`, written in place and in the file that `key_file` names, each with its key. Both at once is a
/// mistake; both are looked at all the same, so that what else is wrong with either is told in one go.
fn forms(
    draft: &mut Draft,
    key: &KeyPath,
    direct: Option<SecretString>,
    file: Option<&PathBuf>,
) -> Vec<(KeyPath, SecretString)> {
    let in_file = file_key(key);
    if draft.origins.is_set(key) && draft.origins.is_set(&in_file) {
        draft.mistake(key, format!("is set twice: `{0}` and `{0}_file`", key.name())).hint =
            Some("keep one of the two".to_owned());
    }
    let mut found = Vec::new();
    match direct {
        Some(value) if value.expose_secret().is_empty() => _ = draft.mistake(key, "is empty"),
        Some(value) => found.push((key.clone(), value)),
        None => {}
    }
    match file.map(|path| (path, secret::read_file(path))) {
        Some((path, Err(error))) => _ = draft.mistake(&in_file, format!("{} {error}", path.display())),
        Some((_, Ok(value))) => found.push((in_file, value)),
        None => {}
    }
    found
}

fn first(forms: Vec<(KeyPath, SecretString)>) -> Option<SecretString> {
    forms.into_iter().next().map(|(_, value)| value)
}

fn file_key(key: &KeyPath) -> KeyPath {
    key.parent().unwrap_or_default().join(format!("{}_file", key.name()))
}

/// A secret is in every request.
fn endpoint(key: &KeyPath, url: &Url, draft: &mut Draft) {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "http" && !loopback {
        draft.mistake(key, "is plain http: the secret would travel in clear; use https").hint =
            Some("plain http is for what runs on this machine: 127.0.0.1, ::1 or localhost".to_owned());
    }
}

/// `None` when nothing is traced.
fn traces(written: TracesDocument, draft: &mut Draft) -> Option<Traces> {
    let at = KeyPath::new(["traces"]);
    let key = at.join("authorization");
    let authorization = first(forms(draft, &key, None, written.authorization_file.as_ref()));
    if authorization.as_ref().is_some_and(|value| HeaderValue::from_str(value.expose_secret()).is_err()) {
        draft.mistake(&file_key(&key), "holds no value for a header: it must be one line of visible ASCII");
    }
    let Some(endpoint) = written.endpoint else {
        if written.authorization_file.is_some() {
            draft.mistake(&at.join("endpoint"), "is needed and not set").hint =
                Some("name the collector, or take `authorization_file` out".to_owned());
        }
        return None;
    };
    if authorization.is_some() {
        self::endpoint(&at.join("endpoint"), &endpoint, draft);
    }
    Some(Traces { endpoint, authorization, share: written.share })
}

fn budget(at: &KeyPath, budget: BudgetConfig, draft: &mut Draft) {
    let upstream = BudgetConfig::UPSTREAM;
    let values = [("per_10s", budget.per_10s, upstream.per_10s), ("per_60s", budget.per_60s, upstream.per_60s)];
    for (name, value, granted) in values {
        if value > granted {
            let what = format!("{value} is more than the {granted} that Expensify grants: for simulators only");
            draft.warning(&at.join(name), what);
        }
    }
}

/// Two accounts with one credential pair would spend one budget twice.
fn shared_credentials(accounts: &[CheckedAccount], draft: &mut Draft) {
    let mut owners: BTreeMap<(&Url, &str), KeyPath> = BTreeMap::new();
    for CheckedAccount { name, written, id, .. } in accounts {
        let Some(id) = id else { continue };
        let at = KeyPath::new(["accounts", name]);
        let owner = owners.entry((&written.endpoint, id.expose_secret())).or_insert_with(|| at.clone());
        if *owner != at {
            let what = format!("is that of {owner} too: one credential pair has one rate limit, so it is one account");
            draft.mistake(&at.join("partner_user_id"), what);
        }
    }
}
