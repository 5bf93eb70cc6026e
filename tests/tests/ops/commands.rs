//! Commands and configurations that `ops/` gives to a person at night work as they are written.

use std::{fs, path::Path};

use clap::Parser;
use expensewire::{cli::Cli, config::Config};

use crate::files;

/// The program's commands in a page: those of the console blocks, and those between backticks.
fn commands(page: &str) -> Vec<String> {
    let typed = page.lines().filter_map(|line| line.strip_prefix("$ "));
    let quoted =
        page.lines().filter(|line| !line.starts_with("$ ")).flat_map(|line| line.split('`').skip(1).step_by(2));
    let ours = typed.chain(quoted).filter(|text| text.starts_with("expensewire ") && !text.contains('…'));
    ours.map(|text| text.split('#').next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn each_command_of_the_pages_can_be_typed() {
    let mut count = 0;
    for page in ["README.md", "runbook.md"] {
        for command in commands(&files::read(page)) {
            let words = command.split_whitespace().map(|word| word.replace("SEQ", "1").replace("NAME", "acme"));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{page}: {command}\n{error}");
            }
            count += 1;
        }
    }
    assert!(count > 30, "the scan found {count} commands");
}

#[test]
fn each_configuration_holds_once_its_secrets_are_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let environment = [
        ("EXPENSEWIRE__ACCOUNTS__ACME__PARTNER_USER_ID", "aa_finance_acme_example".to_owned()),
        ("EXPENSEWIRE__ACCOUNTS__ACME__PARTNER_USER_SECRET", "a secret of the simulator".to_owned()),
        ("EXPENSEWIRE__SECURITY__ADMIN_KEY", "a-key-that-is-long-enough-for-tests".to_owned()),
        ("EXPENSEWIRE__STORE__PATH", directory.path().join("data").display().to_string()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let found = files::under(&files::ops(), &["toml"]);
    assert!(!found.is_empty(), "no configuration under ops/");
    for path in found {
        holds(&path, &environment);
    }
    let manifest = files::read("kubernetes/config.yaml");
    let (_, text) = manifest.split_once("expensewire.toml: |\n").expect("a configuration in the manifest");
    let text: Vec<_> = text.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let path = directory.path().join("kubernetes.toml");
    fs::write(&path, text.join("\n")).expect("a file");
    holds(&path, &environment);
}

fn holds(path: &Path, environment: &[(String, String)]) {
    let loaded = Config::load(Some(path), environment.iter().cloned());
    let loaded = loaded.unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
    assert!(loaded.warnings.is_empty(), "{}: {:?}", path.display(), loaded.warnings);
    assert_eq!(loaded.config.accounts.len(), 1, "{}", path.display());
}

#[test]
fn the_image_is_built_with_the_toolchain_that_is_pinned() {
    let workspace = files::ops().parent().expect("the workspace").to_owned();
    let pinned = fs::read_to_string(workspace.join("rust-toolchain.toml")).expect("text");
    let channel = pinned.split('"').nth(1).expect("a channel");
    assert!(files::read("container/Dockerfile").contains(&format!("FROM rust:{channel}-")), "{channel}");
}
