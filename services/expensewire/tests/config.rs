//! `expensewire config …` as a person runs it.

#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

use std::{fs, path::Path};

use assert_cmd::Command;
use tempfile::TempDir;

fn config(directory: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("expensewire").unwrap();
    command.current_dir(directory.path()).arg("config").args(args);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EXPENSEWIRE") {
            command.env_remove(name);
        }
    }
    command
}

fn stderr(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stderr).unwrap()
}

#[test]
fn init_writes_an_example_that_check_accepts_once_it_has_its_secret() {
    let directory = tempfile::tempdir().unwrap();
    config(&directory, &["init"]).assert().code(0);
    config(&directory, &["check"]).assert().code(6);
    config(&directory, &["check"]).env("EXPENSEWIRE__ACCOUNTS__ACME__PARTNER_USER_SECRET", "s3cret").assert().code(0);
}

#[test]
fn init_replaces_nothing_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    fs::write(&file, "mine").unwrap();
    config(&directory, &["init", "mine.toml"]).assert().code(7);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    config(&directory, &["init", "mine.toml", "--force"]).assert().code(0);
    assert!(fs::read_to_string(&file).unwrap().contains("[accounts.acme]"));
}

#[test]
fn check_tells_every_mistake_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("c.toml"), "[server]\nlisten = 1\n[security]\nadmin_key = 'hunter2'\n").unwrap();
    let told = stderr(&mut config(&directory, &["check", "--config", "c.toml"]));
    assert!(told.starts_with("error: the configuration has 2 mistakes\n"), "{told}");
    assert!(told.contains("\n  server.listen: must be a string, not 1 (c.toml:2)"), "{told}");
    assert!(told.contains("\n  security.admin_key: must be at least"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn nothing_to_read_says_where_to_begin() {
    let directory = tempfile::tempdir().unwrap();
    for args in [&["check"][..], &["check", "--config", "absent.toml"]] {
        let told = stderr(&mut config(&directory, args));
        assert!(told.contains("hint: `expensewire config init"), "{told}");
    }
}

#[test]
fn show_tells_origins_and_hides_secrets() {
    let directory = tempfile::tempdir().unwrap();
    config(&directory, &["init"]).assert().code(0);
    let shown = config(&directory, &["show", "--origin"])
        .env("EXPENSEWIRE__ACCOUNTS__ACME__PARTNER_USER_SECRET", "hunter2")
        .output()
        .unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("partner_user_secret = \"<redacted>\""), "{text}");
    assert!(text.contains("# EXPENSEWIRE__ACCOUNTS__ACME__PARTNER_USER_SECRET"), "{text}");
    assert!(text.contains("# expensewire.toml:"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn schema_prints_the_published_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/config.schema.json");
    let printed = config(&directory, &["schema"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), fs::read_to_string(published).unwrap());
}
