//! Rules of the tree that a machine can hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file longer than this is doing several things; none may be.
const LONGEST_FILE_LINES: usize = 700;
/// Marks of work left undone: a defect here, not a plan.
const UNDONE: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if entry.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
}

fn all() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["services", "tests"] {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50, "the tree was not found");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("text"))).collect()
}

#[test]
fn no_file_is_longer_than_it_may_be() {
    for (path, text) in all() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_for_the_reader_to_do() {
    let me = Path::new(file!()).file_name().expect("a name").to_owned();
    for (path, text) in all().into_iter().filter(|(path, _)| path.file_name() != Some(&me)) {
        for mark in UNDONE {
            assert!(
                !text.split(|c: char| !c.is_alphanumeric()).any(|word| word == *mark),
                "{} in {}",
                mark,
                path.display()
            );
        }
    }
}

#[test]
fn the_top_level_is_as_it_was_agreed() {
    let agreed = ["ARCHITECTURE.md", "CHANGELOG.md", "Cargo.lock", "Cargo.toml", "LICENSE", "Makefile", "README.md"];
    let folders = ["config", "ops", "schemas", "services", "tests"];
    let tools = ["clippy.toml", "deny.toml", "rust-toolchain.toml", "rustfmt.toml"];
    for name in agreed.iter().chain(&folders).chain(&tools) {
        assert!(root().join(name).exists(), "{name} is missing");
    }
    let local = ["target", "data"];
    for entry in fs::read_dir(root()).expect("the top level").map(|e| e.expect("an entry").file_name()) {
        let name = entry.to_string_lossy().into_owned();
        let known = agreed.iter().chain(&folders).chain(&tools).chain(&local).any(|n| *n == name);
        assert!(known || name.starts_with('.'), "{name} does not belong at the top");
    }
}
