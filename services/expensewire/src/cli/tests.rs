use clap::{CommandFactory, Parser};

use super::*;

fn parsed(line: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["expensewire"], line].concat())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_interface_is_there() {
    for line in [
        &["serve", "--config", "c.toml"][..],
        &["demo"],
        &["sim", "--listen", "127.0.0.1:0", "--seed", "7", "--reports", "9", "--policies", "1", "--cards", "0"],
        &["sim", "--changes-per-minute", "2.5", "--quiet-seconds", "1", "--over-limit", "http-200"],
        &["openapi"],
        &["asyncapi"],
        &["accounts", "list"],
        &["accounts", "show", "acme", "-o", "json"],
        &["accounts", "refresh", "acme", "--report", "R00AbCdEf123"],
        &["accounts", "release", "acme", "--scope", "reports", "--ceiling", "25"],
        &["events", "list", "--after", "3", "--limit", "5", "--type", "report.*", "--subject", "report/R1"],
        &["events", "show", "3"],
        &["events", "show", "evt_7k2m"],
        &["events", "resend", "evt_7k2m", "--subscription", "sub_1"],
        &["replay", "--subscription", "sub_1", "--from", "3", "--to", "9", "--rate", "5", "--dry-run"],
        &["replay", "--subscription", "sub_1", "--entity", "report/R1", "--detach"],
        &["replay", "--subscription", "sub_1", "--failed"],
        &["replay", "--subscription", "sub_1", "--since", "2h", "-o", "json"],
        &["replay", "list", "sub_1", "-o", "json"],
        &["replay", "follow", "sub_1", "rpl_1"],
        &["events", "tail", "--from", "0", "--until-end", "--count", "3", "--type", "*", "-o", "ndjson"],
        &["events", "tail", "--since", "2h"],
        &["subscriptions", "list", "--server", "http://10.0.0.1:1/base", "--key", "ew_x"],
        &["subscriptions", "delete", "sub_1", "--yes"],
        &["keys", "create", "--account", "acme", "--policy", "*", "--events", "report.*", "--action", "events:read"],
        &["keys", "delete", "key_1", "--subscriptions", "keep"],
        &["--log", "debug", "config", "check", "--log-format", "json"],
        &["verify", "--secret", "s", "--id", "i", "--timestamp", "-1", "--signature", "v1,x"],
        &["config", "show", "--origin"],
        &["config", "init"],
        &["config", "schema"],
    ] {
        assert!(parsed(line).is_ok(), "{line:?}: {}", parsed(line).expect_err("an error"));
    }
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    for line in [
        &["sim", "--changes-per-minute", "NaN"][..],
        &["sim", "--changes-per-minute", "-1"],
        &["accounts", "release", "acme", "--scope", "reports"],
        &["accounts", "release", "acme", "--scope", "reports", "--ceiling", "0"],
        &["events", "tail", "--count", "0"],
        &["events", "list", "--type", "reprot.*"],
        &["events", "show", "seven"],
        &["events", "resend", "7"],
        &["replay", "--from", "7"],
        &["replay", "--subscription", "sub_1"],
        &["events", "list", "--since", "yesterday"],
        &["events", "list", "--server", "ftp://x"],
    ] {
        assert_eq!(parsed(line).expect_err("refused").exit_code(), 2, "{line:?}");
    }
}

#[test]
fn an_event_is_named_by_its_id_or_its_sequence() {
    let refused = parsed(&["events", "show", "sub_7k2m"]).expect_err("neither").to_string();
    assert!(refused.contains("an event's id (evt_…) or its sequence"), "{refused}");
}

#[test]
fn no_secret_of_the_command_line_is_in_its_debug_form() {
    let line = ["verify", "--secret", "hunter2", "--id", "i", "--timestamp", "1", "--signature", "v1,x"];
    assert!(!format!("{:?}", parsed(&line).unwrap()).contains("hunter2"));
    assert!(!format!("{:?}", parsed(&["events", "list", "--key", "hunter2"]).unwrap()).contains("hunter2"));
}
