//! What the schema cannot say: secrets found, values that contradict each other, values that deserve a warning.

use std::{collections::BTreeMap, path::PathBuf};

use event_model::AccountName;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{
    Account, Config, Security,
    document::{AccountDocument, BudgetConfig, Document},
    draft::Draft,
    place::KeyPath,
    secret,
};

/// Name of the sealing key's file under the store's directory.
const SEALING_KEY_FILE: &str = "sealing.key";

/// Shortest admin key, the API's own bound told early: keys are hashed fast, so they must be long.
const MIN_ADMIN_KEY_LENGTH: usize = 24;

/// The configuration that `document` means. Mistakes and warnings go to `draft`; the result is only good without any
/// of the former.
pub(super) fn resolve(document: Document, draft: &mut Draft) -> Config {
    let security = security(&document, draft);
    let accounts = accounts(document.accounts, draft);
    let retention = KeyPath::new(["retention", "days"]);
    if draft.origins.is_set(&retention) {
        draft.warning(&retention, "is not enforced by this version: no event is deleted yet");
    }
    Config {
        server: document.server,
        store: document.store,
        security,
        accounts,
        delivery: document.delivery,
        retention: document.retention,
    }
}

fn security(document: &Document, draft: &mut Draft) -> Security {
    let written = &document.security;
    let at = KeyPath::new(["security", "admin_key"]);
    let direct = written.admin_key.clone().map(SecretString::from);
    let admin_key = one_form(draft, &at, direct, written.admin_key_file.as_ref());
    if let Some(key) = &admin_key {
        let text = key.expose_secret();
        if text.len() < MIN_ADMIN_KEY_LENGTH || !text.chars().all(|c| c.is_ascii_graphic()) {
            let what =
                format!("must be at least {MIN_ADMIN_KEY_LENGTH} visible ASCII characters: it travels in a header");
            draft.mistake(&at, what);
        }
    }
    let default_path = || document.store.path.join(SEALING_KEY_FILE);
    Security { admin_key, sealing_key_path: written.sealing_key_file.clone().unwrap_or_else(default_path) }
}

fn accounts(written: BTreeMap<AccountName, AccountDocument>, draft: &mut Draft) -> Vec<Account> {
    let root = KeyPath::new(["accounts"]);
    if written.is_empty() && draft.mistakes.is_empty() {
        draft.warning(&root, "none is configured: nothing will be watched");
    }
    let accounts =
        written.into_iter().filter_map(|(name, document)| account(name, document, draft)).collect::<Vec<_>>();
    shared_credentials(&accounts, draft);
    accounts
}

fn account(name: AccountName, written: AccountDocument, draft: &mut Draft) -> Option<Account> {
    let at = KeyPath::new(["accounts", name.as_str()]);
    endpoint(&at.join("endpoint"), &written.endpoint, draft);
    budget(&at.join("budget"), written.budget, draft);

    let (id_key, secret_key) = (at.join("partner_user_id"), at.join("partner_user_secret"));
    let id = written.partner_user_id.map(SecretString::from);
    let id = needed(draft, &id_key, id, written.partner_user_id_file.as_ref());
    let secret = written.partner_user_secret.map(SecretString::from);
    let secret = needed(draft, &secret_key, secret, written.partner_user_secret_file.as_ref());
    Some(Account {
        name,
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

/// As [`one_form`], but one must be there.
fn needed(
    draft: &mut Draft,
    key: &KeyPath,
    direct: Option<SecretString>,
    file: Option<&PathBuf>,
) -> Option<SecretString> {
    let absent = direct.is_none() && file.is_none() && !draft.is_wrong(key) && !draft.is_wrong(&file_key(key));
    if absent {
        let hint = format!("set it, or `{}_file`, or {} in the environment", key.name(), key.variable());
        draft.mistake(key, "is needed and not set").hint = Some(hint);
    }
    one_form(draft, key, direct, file)
}

/// The value of `key`, written in place or in the file that `key_file` names; both at once is a mistake.
fn one_form(
    draft: &mut Draft,
    key: &KeyPath,
    direct: Option<SecretString>,
    file: Option<&PathBuf>,
) -> Option<SecretString> {
    match (direct, file) {
        (Some(_), Some(_)) => {
            draft.mistake(key, format!("is set twice: `{0}` and `{0}_file`", key.name())).hint =
                Some("keep one of the two".to_owned());
            None
        }
        (Some(value), None) if value.expose_secret().is_empty() => {
            draft.mistake(key, "is empty");
            None
        }
        (Some(value), None) => Some(value),
        (None, Some(path)) => secret::read_file(path)
            .map_err(|error| draft.mistake(&file_key(key), format!("{} {error}", path.display())))
            .ok(),
        (None, None) => None,
    }
}

fn file_key(key: &KeyPath) -> KeyPath {
    key.parent().unwrap_or_default().join(format!("{}_file", key.name()))
}

fn endpoint(key: &KeyPath, url: &Url, draft: &mut Draft) {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    if url.scheme() == "http" && !loopback {
        draft.warning(key, "is plain http: the credentials travel readable by everybody on the way");
    }
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
fn shared_credentials(accounts: &[Account], draft: &mut Draft) {
    let mut owners: BTreeMap<(&Url, &str), &AccountName> = BTreeMap::new();
    for account in accounts {
        let owner = owners.entry((&account.endpoint, &account.partner_user_id)).or_insert(&account.name);
        if *owner != &account.name {
            let key = KeyPath::new(["accounts", account.name.as_str(), "partner_user_id"]);
            let what = format!(
                "is that of accounts.{owner} too: one credential pair has one rate limit, so it is one account"
            );
            draft.mistake(&key, what);
        }
    }
}
