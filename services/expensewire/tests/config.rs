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

#[cfg(unix)]
#[test]
fn check_refuses_the_sealing_key_that_serve_would() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("expensewire.toml"), "[store]\npath = 'state'\n").unwrap();
    config(&directory, &["check"]).assert().code(0);
    assert!(!directory.path().join("state").exists(), "check makes nothing");
    fs::create_dir(directory.path().join("state")).unwrap();
    let key = directory.path().join("state/sealing.key");
    fs::write(&key, "not a key").unwrap();
    for (mode, what) in [(0o644, "is readable by others (mode 644)"), (0o600, "is not 32 bytes in base64")] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        config(&directory, &["check"]).assert().code(6);
        let told = stderr(&mut config(&directory, &["check"]));
        assert!(told.contains("security.sealing_key_file: the sealing key state/sealing.key"), "{told}");
        assert!(told.contains(what), "{told}");
    }
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
    let sealing_key = text.lines().find(|line| line.starts_with("sealing_key_file = \"./data/sealing.key\""));
    assert!(sealing_key.is_some_and(|line| line.ends_with("# default")), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn schema_prints_the_published_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/config.schema.json");
    let printed = config(&directory, &["schema"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), fs::read_to_string(published).unwrap());
}

#[test]
fn the_contract_is_printed_as_it_is_published() {
    for name in ["openapi", "asyncapi"] {
        let published = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../schemas/{name}.json"));
        let printed = Command::cargo_bin("expensewire").unwrap().arg(name).output().unwrap().stdout;
        assert_eq!(String::from_utf8(printed).unwrap(), fs::read_to_string(published).unwrap(), "{name}");
    }
}
