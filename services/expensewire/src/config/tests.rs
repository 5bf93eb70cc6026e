use std::{fs, path::PathBuf};

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2";

struct Setup {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Setup {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("c.toml"), text).unwrap();
        Self { directory, environment: Vec::new() }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((format!("EXPENSEWIRE__{name}"), value.to_owned()));
        self
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("c.toml")
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load(Some(&self.path()), self.environment.clone().into_iter())
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// Each mistake as `key: what`, with the directory's name taken out.
    fn mistakes(&self) -> Vec<String> {
        let errors = self.load().expect_err("a mistake");
        let directory = self.directory.path().display().to_string();
        let text = |m: &Finding| format!("{}: {} ({})", m.key, m.what, m.origin).replace(&format!("{directory}/"), "");
        errors.mistakes().iter().map(text).collect()
    }

    fn hint(&self) -> String {
        let errors = self.load().expect_err("a mistake");
        errors.mistakes()[0].hint.clone().unwrap_or_default()
    }
}

fn account(more: &str) -> Setup {
    Setup::new(&format!("[accounts.acme]\npartner_user_id = 'id'\npartner_user_secret = '{SECRET}'\n{more}"))
}

#[test]
fn a_minimal_file_gets_every_default() {
    let loaded = account("").loaded();
    let config = loaded.config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store.path, PathBuf::from("./data"));
    assert_eq!(config.security.sealing_key_path, PathBuf::from("./data/sealing.key"));
    assert!(config.security.admin_key.is_none());
    assert_eq!(config.delivery.timeout().as_secs(), 15);
    let account = &config.accounts[0];
    assert_eq!((account.name.as_str(), account.history_days), ("acme", 365));
    assert_eq!(account.budget, BudgetConfig::UPSTREAM);
    assert!(account.endpoint.as_str().starts_with("https://integrations.expensify.com/"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn every_mistake_is_told_at_once_with_its_key_and_line() {
    let setup = Setup::new(
        "[server]\nlisten = 'localhost'\n[delivery]\ntimeout_s = 500\nallow_cidrs = ['10.0.0.0/8', 'ten']\nallow_htp = true\n\
         [accounts.acme]\npartner_user_id = 'id'\nhistory_days = 0\nendpoint = 'ftp://x'\ndomains = 'acme'\n\
         [accounts.acme.budget]\nshare = 1.5\n[accounts.Bad]\n[store]\nengine = 'redis'\n[storage]\npath = 'x'\n",
    )
    .env("RETENTION__DAYS", "soon");
    assert_eq!(
        setup.mistakes(),
        [
            "accounts.Bad: is not an account name: 1 to 63 characters of a-z, 0-9, '_' and '-', starting with a letter or digit (c.toml:14)",
            "accounts.acme.budget.share: 1.5 is more than 1 (c.toml:13)",
            "accounts.acme.domains: must be a list of strings, not the string \"acme\" (c.toml:11)",
            "accounts.acme.endpoint: \"ftp://x\" is not an http or https URL without user, password and fragment (c.toml:10)",
            "accounts.acme.history_days: 0 is less than 1 (c.toml:9)",
            "delivery.allow_cidrs: \"ten\" is not a range of addresses, like 10.0.0.0/8 or fd00::/8 (c.toml:5)",
            "delivery.allow_htp: is not a key of the configuration (c.toml:6)",
            "delivery.timeout_s: 500 is more than 120 (c.toml:4)",
            "retention.days: must be a whole number, not the string \"soon\" (EXPENSEWIRE__RETENTION__DAYS)",
            "server.listen: \"localhost\" is not an IP address and a port, like 127.0.0.1:8080 or [::1]:8080 (c.toml:2)",
            "storage: is not a key of the configuration (c.toml:17)",
            "store.engine: \"redis\" is not one of \"sled\" (c.toml:16)",
            "accounts.Bad.partner_user_id: is needed and not set (c.toml:14)",
            "accounts.Bad.partner_user_secret: is needed and not set (c.toml:14)",
            "accounts.acme.partner_user_secret: is needed and not set (c.toml:7)",
        ]
    );
}

#[test]
fn account_names_are_those_of_the_event_model() {
    for name in
        ["acme", "a", "0x", "acme-eu_2", "Acme", "-a", "_a", "a.b", "a b", "é", &"a".repeat(63), &"a".repeat(64)]
    {
        let text = format!("[accounts.{name:?}]\npartner_user_id = 'id'\npartner_user_secret = 'secret'");
        assert_eq!(Setup::new(&text).load().is_ok(), name.parse::<AccountName>().is_ok(), "{name}");
    }
}

#[test]
fn an_unknown_key_comes_with_the_one_that_was_meant() {
    assert_eq!(account("[delivery]\nallow_htp = true").hint(), "did you mean `allow_http`?");
    assert_eq!(account("[acounts]\n").hint(), "did you mean `accounts`?");
    assert_eq!(account("[accounts.acme.budget]\nper10s = 3").hint(), "did you mean `per_10s`?");
    assert_eq!(account("[retention]\nquux = 3").hint(), "the keys here are check, days, force, max_bytes");
    assert_eq!(account("").env("DELIVERY__TIMEOUT", "3").hint(), "did you mean `timeout_s`?");
}

#[test]
fn the_environment_is_over_the_file_and_takes_the_type_of_the_key() {
    let loaded = account("[accounts.acme.budget]\nshare = 0.1")
        .env("ACCOUNTS__ACME__BUDGET__SHARE", "0.5")
        .env("ACCOUNTS__ACME__HISTORY_DAYS", "30")
        .env("ACCOUNTS__ACME__DOMAINS", r#"["acme.example"]"#)
        .env("ACCOUNTS__ACME__PARTNER_USER_ID", "12345")
        .env("DELIVERY__ALLOW_HTTP", "true")
        .env("DELIVERY__ALLOW_CIDRS", "['127.0.0.0/8', '::1/128']")
        .env("SERVER__LISTEN", "127.0.0.1:0")
        .loaded();
    let account = &loaded.config.accounts[0];
    assert_eq!((account.budget.share, account.history_days), (0.5, 30));
    assert_eq!(
        (account.domains.as_slice(), account.partner_user_id.as_str()),
        (&["acme.example".to_owned()][..], "12345")
    );
    assert!(loaded.config.delivery.allow_http);
    assert_eq!(loaded.config.delivery.allow_cidrs.len(), 2);
    let origin = loaded.origins.of(&KeyPath::new(["delivery", "allow_http"]));
    assert_eq!(origin.to_string(), "EXPENSEWIRE__DELIVERY__ALLOW_HTTP");
}

#[test]
fn a_value_of_the_environment_that_is_not_of_the_type_is_refused() {
    let setup = account("").env("DELIVERY__ALLOW_HTTP", "yes").env("DELIVERY__ALLOW_CIDRS", "10.0.0.0/8");
    assert_eq!(
        setup.mistakes(),
        [
            "delivery.allow_cidrs: must be a list of strings, not the string \"10.0.0.0/8\" (EXPENSEWIRE__DELIVERY__ALLOW_CIDRS)",
            "delivery.allow_http: must be true or false, not the string \"yes\" (EXPENSEWIRE__DELIVERY__ALLOW_HTTP)",
        ]
    );
    assert!(setup.hint().contains("EXPENSEWIRE__DELIVERY__ALLOW_CIDRS='["), "{}", setup.hint());
    let scalar = account("").env("SERVER__LISTEN__PORT", "1").env("SERVER__LISTEN", "127.0.0.1:1").mistakes();
    assert_eq!(scalar.len(), 1, "{scalar:?}");
    assert!(scalar[0].starts_with("server.listen.port: cannot be set"), "{scalar:?}");
}

#[test]
fn the_environment_alone_is_enough_and_nothing_at_all_is_not() {
    let variables = [("ACCOUNTS__ACME__PARTNER_USER_ID", "id"), ("ACCOUNTS__ACME__PARTNER_USER_SECRET", SECRET)];
    let variables = variables.map(|(name, value)| (format!("EXPENSEWIRE__{name}"), value.to_owned()));
    let loaded = Config::load(None, variables.into_iter()).unwrap();
    assert_eq!(loaded.config.accounts[0].partner_user_secret.expose_secret(), SECRET);
    let unrelated = [("EXPENSEWIRE_KEY".to_owned(), "x".to_owned()), ("PATH".to_owned(), "y".to_owned())];
    let errors = Config::load(None, unrelated.into_iter()).expect_err("nothing is set");
    assert!(errors.to_string().contains("expensewire config init"), "{errors}");
}

#[test]
fn an_account_whose_name_has_a_hyphen_is_reached_from_the_environment() {
    let text = format!("[accounts.acme-eu]\npartner_user_id = 'id'\npartner_user_secret = '{SECRET}'");
    let loaded = Setup::new(&text).env("ACCOUNTS__ACME_EU__HISTORY_DAYS", "7").loaded();
    assert_eq!(loaded.config.accounts.len(), 1);
    assert_eq!(loaded.config.accounts[0].history_days, 7);
}

#[test]
fn a_secret_comes_from_a_file_without_its_newline() {
    let setup = account("");
    let (id, secret) = (setup.file("id", "  from-file\n"), setup.file("secret", "s3cret\r\n"));
    let text = format!("[accounts.acme]\npartner_user_id_file = {id:?}\npartner_user_secret_file = {secret:?}");
    let loaded = Setup::new(&text).loaded();
    assert_eq!(loaded.config.accounts[0].partner_user_id, "from-file");
    assert_eq!(loaded.config.accounts[0].partner_user_secret.expose_secret(), "s3cret");
}

#[test]
fn a_secret_has_exactly_one_form_in_one_place_and_the_environment_replaces_that_of_the_file() {
    let setup = account("");
    let file = setup.file("secret", SECRET);
    let told = account(&format!("partner_user_secret_file = {file:?}\n")).mistakes();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("is set twice"), "{told:?}");

    let text = "[accounts.acme]\npartner_user_id = 'id'\npartner_user_secret_file = '/nowhere'";
    let loaded = Setup::new(text).env("ACCOUNTS__ACME__PARTNER_USER_SECRET", SECRET).loaded();
    assert_eq!(loaded.config.accounts[0].partner_user_secret.expose_secret(), SECRET);

    let both = Setup::new(text)
        .env("ACCOUNTS__ACME__PARTNER_USER_SECRET", SECRET)
        .env("ACCOUNTS__ACME__PARTNER_USER_SECRET_FILE", "/nowhere");
    assert!(both.mistakes()[0].contains("is set twice"));
}

#[test]
fn what_is_wrong_with_either_form_of_a_secret_that_is_set_twice_is_told_too() {
    let text = "[security]\nadmin_key = 'short'\nadmin_key_file = '/nowhere'\n[accounts.acme]\n\
                partner_user_id = ''\npartner_user_id_file = '/nowhere'\n\
                partner_user_secret = 3\npartner_user_secret_file = '/nowhere'";
    let told = Setup::new(text).mistakes();
    let starts = [
        "accounts.acme.partner_user_secret: must be a string",
        "security.admin_key: is set twice",
        "security.admin_key_file: /nowhere cannot be read",
        "security.admin_key: must be at least 24",
        "accounts.acme.partner_user_id: is set twice",
        "accounts.acme.partner_user_id: is empty",
        "accounts.acme.partner_user_id_file: /nowhere cannot be read",
        "accounts.acme.partner_user_secret: is set twice",
        "accounts.acme.partner_user_secret_file: /nowhere cannot be read",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    assert!(told.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{told:#?}");

    let setup = Setup::new("");
    let file = setup.file("key", "too-short");
    let told = Setup::new(&format!("[security]\nadmin_key_file = {file:?}")).mistakes();
    assert!(told.len() == 1 && told[0].starts_with("security.admin_key_file: must be at least"), "{told:?}");
}

#[test]
fn an_account_with_a_bad_name_is_checked_inside_like_the_others() {
    let more = "[accounts.\"acme corp\"]\npartner_user_id = 'id'\nhistory_days = 0\ndomain = ['x']\n\
                [accounts.\"a/b\"]\nendpoint = 'http://example.com/'\n[accounts.-c]\n[accounts.D]\nbudget = 3";
    let told = account(more).mistakes();
    for start in [
        "accounts.\"acme corp\": is not an account name",
        "accounts.\"acme corp\".history_days: 0 is less than 1",
        "accounts.\"acme corp\".domain: is not a key of the configuration",
        "accounts.\"acme corp\".partner_user_secret: is needed and not set",
        "accounts.\"acme corp\".partner_user_id: is that of accounts.acme too",
        "accounts.\"a/b\": is not an account name",
        "accounts.\"a/b\".endpoint: is plain http",
        "accounts.-c: is not an account name",
        "accounts.-c.partner_user_id: is needed",
        "accounts.D.budget: must be a table",
    ] {
        assert!(told.iter().any(|told| told.starts_with(start)), "{start}: {told:#?}");
    }
    let errors = account(more).load().expect_err("mistakes").to_string();
    assert!(!errors.contains("ACME CORP"), "no shell can set it: {errors}");
    let scalar = account("[accounts]\nBad = 3").mistakes();
    assert_eq!(scalar.len(), 2, "{scalar:?}");
}

#[test]
fn a_secret_file_that_gives_none_is_told() {
    for (content, what) in [(Some("\n"), "is empty"), (None, "cannot be read")] {
        let setup = account("");
        let path = setup.directory.path().join("secret");
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let text = format!("[accounts.acme]\npartner_user_id = 'id'\npartner_user_secret_file = {path:?}");
        let told = Setup::new(&text).mistakes();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("accounts.acme.partner_user_secret_file: ") && told[0].contains(what), "{told:?}");
    }
}

#[test]
fn one_credential_pair_in_two_accounts_is_refused() {
    let twin = format!("[accounts.twin]\npartner_user_id = 'id'\npartner_user_secret = '{SECRET}'");
    let told = account(&twin).mistakes();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("accounts.twin.partner_user_id: is that of accounts.acme too"), "{told:?}");
}

#[test]
fn no_secret_is_in_debug_show_or_any_error() {
    let key = "ew_admin_0123456789abcdefghij";
    let loaded = account(&format!("[security]\nadmin_key = '{key}'")).loaded();
    let shown = [format!("{loaded:?}"), loaded.show(true), loaded.show_json().to_string()];
    for text in &shown {
        assert!(!text.contains(SECRET) && !text.contains(key), "{text}");
    }
    assert!(shown[1].contains("admin_key = \"<redacted>\""), "{}", shown[1]);

    let broken = [
        format!("[security]\nadmin_key = 'short {SECRET}'"),
        format!("[security]\nadmin_key = ['{SECRET}']"),
        format!("[security]\nadmin_key = \"{SECRET}"),
        format!("[security]\nadmin_kye = '{SECRET}'"),
        format!("security = '{SECRET}'"),
    ];
    for text in broken {
        let errors = Setup::new(&text).load().expect_err(&text);
        assert!(!errors.to_string().contains(SECRET) && !format!("{errors:?}").contains(SECRET), "{errors:?}");
    }
}

#[test]
fn show_tells_each_key_with_its_origin_and_reads_back_as_the_same() {
    let setup = account("[delivery]\ntimeout_s = 20.0").env("RETENTION__DAYS", "30");
    let loaded = setup.loaded();
    let shown = loaded.show(true);
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("timeout_s").ends_with(&format!("# {}:5", setup.path().display())), "{shown}");
    assert!(line("days").ends_with("# EXPENSEWIRE__RETENTION__DAYS"), "{shown}");
    assert!(line("listen").ends_with("# default"), "{shown}");
    let again = Setup::new(&shown).loaded();
    assert_eq!(again.show(false), loaded.show(false));
    assert_eq!(again.config.delivery.timeout_s, 20);
}

#[test]
fn what_is_allowed_and_dangerous_is_warned_of() {
    let more = "budget.per_10s = 500\n[retention]\nforce = true\n[store]\ndurability = 'process-crash'";
    let warned: Vec<String> = account(more).loaded().warnings.iter().map(|w| w.key.to_string()).collect();
    assert_eq!(warned, ["accounts.acme.budget.per_10s", "retention.force", "store.durability"]);
    assert_eq!(Setup::new("[server]\n").loaded().warnings[0].key.to_string(), "accounts");
}

#[test]
fn plain_http_is_refused_but_for_loopback() {
    for host in ["127.0.0.1:9000", "127.9.9.9", "[::1]:9000", "localhost:9000", "LOCALHOST"] {
        assert!(account(&format!("endpoint = 'http://{host}/x'")).loaded().warnings.is_empty(), "{host}");
    }
    for host in ["example.com", "10.0.0.1", "0.0.0.0", "[::]", "localhost.example", "x.localhost"] {
        let told = account(&format!("endpoint = 'http://{host}/'")).mistakes();
        assert_eq!(
            told,
            ["accounts.acme.endpoint: is plain http: the secret would travel in clear; use https (c.toml:4)"],
            "{host}"
        );
    }
    assert!(account("endpoint = 'https://example.com/'").load().is_ok());
}

#[test]
fn what_the_collector_of_traces_wants_stays_secret_and_on_this_machine() {
    let setup = Setup::new("");
    let file = setup.directory.path().join("collector");
    fs::write(&file, "Bearer s3cr3t\n").unwrap();
    let traces = |endpoint: &str| Setup::new(&format!("[traces]\nauthorization_file = {file:?}\n{endpoint}"));
    assert!(traces("endpoint = 'https://collector.example'").load().is_ok());
    let loaded = traces("endpoint = 'http://127.0.0.1:4318'").loaded();
    assert!(!format!("{:?}{}", loaded.config, loaded.show(true)).contains("s3cr3t"));
    let told = traces("endpoint = 'http://collector.example'").mistakes();
    assert_eq!(told, ["traces.endpoint: is plain http: the secret would travel in clear; use https (c.toml:3)"]);
    assert_eq!(traces("").mistakes(), ["traces.endpoint: is needed and not set (c.toml:1)"]);
    fs::write(&file, "two\nlines").unwrap();
    let told = traces("endpoint = 'https://collector.example'").mistakes();
    assert!(told.len() == 1 && told[0].contains("holds no value for a header") && !told[0].contains("two"), "{told:?}");
    assert!(Setup::new("[traces]\nendpoint = 'http://collector.example'").loaded().config.traces.is_some());
}

#[test]
fn the_sealing_key_is_looked_at_where_it_is_and_only_there() {
    let setup = Setup::new("");
    let absent = setup.directory.path().join("absent.key");
    assert!(Setup::new(&format!("[security]\nsealing_key_file = {absent:?}")).load().is_ok());
    assert!(!absent.exists());
    sealing::load_or_create(&absent).unwrap();
    let loaded = Setup::new(&format!("[security]\nsealing_key_file = {absent:?}")).loaded();
    assert_eq!(loaded.document.security.sealing_key_file, Some(absent.clone()));

    fs::write(&absent, "no key").unwrap();
    let told = Setup::new(&format!("[security]\nsealing_key_file = {absent:?}")).mistakes();
    assert!(told.len() == 1 && told[0].starts_with("security.sealing_key_file: the sealing key"), "{told:?}");
    assert!(told[0].contains("is not 32 bytes in base64 (c.toml:2)"), "{told:?}");
    let told = Setup::new(&format!("[security]\nsealing_key_file = ''\n[store]\npath = {absent:?}")).mistakes();
    assert_eq!(told, ["security.sealing_key_file: is empty (c.toml:2)"]);
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_told_with_what_to_do() {
    let missing =
        Config::load(Some(Path::new("/nowhere/e.toml")), std::iter::empty()).expect_err("no file").to_string();
    assert!(missing.contains("there is no file /nowhere/e.toml"), "{missing}");
    assert!(missing.contains("hint: `expensewire config init /nowhere/e.toml`"), "{missing}");
    let told = Setup::new("[server]\nlisten = \n[delivery\n").mistakes();
    assert!(told.len() == 2 && told[0].contains("(c.toml:2)") && told[1].contains("(c.toml:3)"), "{told:?}");
}

#[test]
fn the_example_is_a_configuration_and_names_every_key() {
    let setup = Setup::new(EXAMPLE).env("ACCOUNTS__ACME__PARTNER_USER_SECRET", SECRET);
    let loaded = setup.loaded();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let tables = [&["server"][..], &["store"], &["security"], &["accounts", "acme"], &["accounts", "acme", "budget"]];
    for table in tables.into_iter().chain([&["delivery"][..], &["retention"], &["traces"]]) {
        for key in schema::keys_of(&KeyPath::new(table.iter().copied())) {
            let named =
                EXAMPLE.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = ")));
            let named =
                named || EXAMPLE.contains(&format!(".{key}]")) || EXAMPLE.to_lowercase().contains(&format!("__{key}"));
            assert!(named, "{table:?} {key}");
        }
    }
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/config.schema.json");
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == schema::text(), "stale: run `expensewire config schema > schemas/config.schema.json`");
}
