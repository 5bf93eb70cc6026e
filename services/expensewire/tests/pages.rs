//! The documentation: what is generated is as generated, and what is linked is there.
//!
//! `WRITE_DOCS=1` writes the generated pages anew.

use std::{fs, path::PathBuf};

use assert_cmd::Command;
use clap::{Parser, error::ErrorKind};
use expensewire::pages::{PAGES, generated};

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")
}

#[test]
fn generated_pages_are_as_committed() {
    for (name, text) in generated() {
        let file = docs().join(format!("{name}.md"));
        if std::env::var_os("WRITE_DOCS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap();
        assert!(committed == text, "{name}.md is not what the program says; `make schemas` writes it anew");
    }
}

#[test]
fn every_page_is_in_the_binary_and_begins_with_its_title() {
    let mut files: Vec<String> =
        fs::read_dir(docs()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut pages: Vec<String> = PAGES.iter().map(|(name, _)| format!("{name}.md")).collect();
    pages.sort();
    assert_eq!(files, pages);
    for (name, text) in PAGES {
        assert!(text.starts_with("# "), "{name}");
    }
}

#[test]
fn what_a_page_or_the_readme_links_to_is_there() {
    let root = docs().join("../../..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let of_readme = [(root.clone(), "README".to_owned(), readme)].into_iter();
    let of_pages = PAGES.iter().map(|(name, text)| (docs(), (*name).to_owned(), (*text).to_owned()));
    let mut linked = 0;
    for (folder, name, text) in of_readme.chain(of_pages) {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap();
            assert!(folder.join(file).exists(), "{name} links to {target}, which is not there");
            linked += 1;
        }
    }
    assert!(linked > PAGES.len(), "the links were not found");
    for (name, _) in PAGES {
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        assert!(readme.contains(&format!("services/expensewire/docs/{name}.md")), "README does not lead to {name}");
    }
}

#[test]
fn each_command_and_each_key_has_its_line() {
    let page = |wanted: &str| PAGES.iter().find(|(name, _)| *name == wanted).unwrap().1;
    for heading in [
        "## `expensewire events resend ID|SEQ`",
        "## `expensewire doctor`",
        "## `expensewire replay start SUBSCRIPTION`",
    ] {
        assert!(page("commands").contains(heading), "{heading}");
    }
    for part in ["--save-dir DIR", "EXPENSEWIRE_KEY", "| 130 | interrupted |", "`report.approved`"] {
        assert!(page("commands").contains(part), "{part}");
    }
    for part in [
        "## `[accounts.NAME.budget]`",
        "| `share` | number, above 0, at most 1 | `1.0` |",
        "EXPENSEWIRE__RETENTION__KEY",
    ] {
        assert!(page("configuration").contains(part), "{part}");
    }
    for event_type in event_model::EventType::ALL {
        assert!(page("events").contains(&format!("| `{event_type}` | ")), "{event_type}");
    }
}

#[test]
fn completions_and_manual_pages_are_made_for_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let made = Command::cargo_bin("expensewire").unwrap().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(made.stdout).unwrap();
        assert!(made.status.success() && script.contains("subscriptions") && script.contains("forward-to"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man");
    let made = Command::cargo_bin("expensewire").unwrap().arg("man").arg("--dir").arg(&pages).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["expensewire.1", "expensewire-events.1", "expensewire-events-tail.1", "expensewire-doctor.1"] {
        let page = fs::read_to_string(pages.join(name)).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".TH"), "{name}");
    }
    let first = Command::cargo_bin("expensewire").unwrap().arg("man").output().unwrap();
    assert_eq!(first.stdout, fs::read(pages.join("expensewire.1")).unwrap());
}

#[cfg(unix)]
#[test]
fn a_shell_takes_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let made = Command::cargo_bin("expensewire").unwrap().args(["completions", shell]).output().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        fs::write(&script, made.stdout).unwrap();
        let read = std::process::Command::new(shell).arg("-n").arg(&script).output();
        match read {
            Ok(read) => assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr)),
            // Shells that a person does not have need no completions.
            Err(error) => assert!(shell != "bash" && error.kind() == std::io::ErrorKind::NotFound, "{shell}: {error}"),
        }
    }
}

/// The words of a command as a shell takes them, up to where its output goes elsewhere or a comment begins.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut begun = false;
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    let ends = |word: &String| matches!(word.as_str(), "#" | ">" | "<" | "|" | "&" | "&&" | "2>" | "…" | "\\");
    let end = words.iter().position(ends).unwrap_or(words.len());
    words.truncate(end);
    words
}

#[test]
fn each_command_that_a_page_or_the_readme_shows_can_be_typed() {
    let readme = fs::read_to_string(docs().join("../../../README.md")).unwrap();
    let pages = PAGES.iter().filter(|(name, _)| !["commands", "configuration"].contains(name));
    let mut typed = 0;
    for (name, text) in pages.map(|(name, text)| (*name, *text)).chain([("README", readme.as_str())]) {
        let lines = text.lines().map(|line| line.trim().trim_start_matches("$ "));
        let inline = text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n'));
        for line in lines.chain(inline) {
            // An example has a … where a person has a value; a reader has to end a line that goes on.
            let line = line.replace("\\", "").replace('…', "x");
            let words = words(&line);
            let shown = words.first().is_some_and(|word| word == "expensewire") && words.len() > 1;
            if !shown || line.contains("COMMAND") || line.contains(" SHELL") || line.contains(" TYPE") {
                continue;
            }
            let read = expensewire::cli::Cli::try_parse_from(&words);
            let refused = read.err().filter(|error| error.use_stderr());
            // A command in a sentence may leave out what a person adds.
            let unfinished = |error: &clap::Error| {
                let kinds = [ErrorKind::MissingRequiredArgument, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
                kinds.contains(&error.kind())
            };
            if let Some(error) = refused.filter(|error| !unfinished(error)) {
                panic!("{name}: {line}\n{error}");
            }
            typed += 1;
        }
    }
    assert!(typed > 60, "{typed} commands were found");
}
