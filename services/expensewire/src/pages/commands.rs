//! The reference of commands, made of the command line's own definition.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::cell;
use crate::{cli::Cli, exit::Exit};

const HEAD: &str = "# Commands\n\n\
    Generated from the program; `expensewire COMMAND --help` says the same, `expensewire man --dir DIR` writes manual pages, and\n\
    `expensewire completions SHELL` a script for your shell.\n\n";

const EXITS: &[(Exit, &str)] = &[
    (Exit::Ok, "done"),
    (Exit::Unexpected, "something unexpected"),
    (Exit::Usage, "the command line, the configuration or a value that the service refuses"),
    (Exit::NotFound, "not found, or below the horizon of the log"),
    (Exit::Permission, "the key is missing, unknown, or may not"),
    (Exit::Unreachable, "no answer from the service"),
    (Exit::CheckFailed, "a check failed: of a signature, a configuration, the log, a delivery that was waited for"),
    (Exit::Conflict, "conflict with the state of the thing"),
    (Exit::Limited, "limited: try again later"),
    (Exit::Interrupted, "interrupted"),
];

/// The page.
pub fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = HEAD.to_owned();
    text.push_str("## Everywhere\n\n");
    // The connection is an argument of the commands that ask a service; one of them shows it.
    let asking = root.find_subcommand("events");
    let shared = root.get_arguments().chain(asking.into_iter().flat_map(Command::get_arguments));
    let mut shared: Vec<&Arg> = shared.filter(|arg| arg.is_global_set()).collect();
    shared.dedup_by_key(|arg| arg.get_id().clone());
    shared.sort_by_key(|arg| arg.get_id().clone());
    shared.dedup_by_key(|arg| arg.get_id().clone());
    table(&mut text, shared.into_iter());
    text.push_str("\n| exit code | |\n|---|---|\n");
    for (exit, meaning) in EXITS {
        // Writing to a String does not fail.
        let _ = writeln!(text, "| {} | {meaning} |", *exit as u8);
    }
    for command in root.get_subcommands() {
        section(&mut text, command, "expensewire");
    }
    text
}

fn section(text: &mut String, command: &Command, above: &str) {
    let name = format!("{above} {}", command.get_name());
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_global_set() && !is_help(arg)).collect();
    let (does, positional) = (command.get_about().map(ToString::to_string).unwrap_or_default(), usage(&own));
    let _ = writeln!(text, "\n## `{name}{positional}`\n\n{does}.");
    if !own.is_empty() {
        text.push('\n');
        table(text, own.into_iter());
    }
    for inner in command.get_subcommands() {
        section(text, inner, &name);
    }
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

/// The arguments without a name, as a person types them.
fn usage(args: &[&Arg]) -> String {
    let shown = args.iter().filter(|arg| arg.is_positional()).map(|arg| {
        let name = value_name(arg);
        if arg.is_required_set() { format!(" {name}") } else { format!(" [{name}]") }
    });
    shown.collect()
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    names.unwrap_or_else(|| arg.get_id().as_str().to_uppercase())
}

fn table<'a>(text: &mut String, args: impl Iterator<Item = &'a Arg>) {
    text.push_str("| argument | |\n|---|---|\n");
    for arg in args.filter(|arg| !is_help(arg)) {
        let _ = writeln!(text, "| `{}` | {} |", cell(&spelling(arg)), cell(&meaning(arg)));
    }
}

fn spelling(arg: &Arg) -> String {
    let value = if arg.get_action().takes_values() { format!(" {}", value_name(arg)) } else { String::new() };
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}{value}"),
        (None, Some(long)) => format!("--{long}{value}"),
        (Some(short), None) => format!("-{short}{value}"),
        (None, None) => value_name(arg),
    }
}

/// What it is for, and what clap's help adds to that.
fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let takes_value = arg.get_action().takes_values();
    if takes_value && !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes_value && !defaults.is_empty() {
        let _ = write!(text, " (`{}` unless given)", defaults.join(" "));
    }
    if let Some(aliases) = arg.get_visible_aliases().filter(|aliases| !aliases.is_empty()) {
        let _ = write!(text, "; also `--{}`", aliases.join("`, `--"));
    }
    if let Some(name) = arg.get_env() {
        let _ = write!(text, "; `{}`", name.to_string_lossy());
    }
    text
}
