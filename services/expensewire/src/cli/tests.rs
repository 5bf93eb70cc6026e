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
        &["events", "show", "evt_7k2m"],
        &["events", "list", "--since", "yesterday"],
        &["events", "list", "--server", "ftp://x"],
    ] {
        assert_eq!(parsed(line).expect_err("refused").exit_code(), 2, "{line:?}");
    }
}

#[test]
fn an_event_is_shown_by_its_sequence_and_one_who_has_an_id_is_told_where_that_is() {
    let refused = parsed(&["events", "show", "evt_7k2m"]).expect_err("no sequence").to_string();
    let help = parsed(&["events", "show", "--help"]).expect_err("the help").to_string();
    assert!(refused.contains("the body of a delivery carries its \"sequence\""), "{refused}");
    assert!(help.contains("<SEQ>") && help.contains("Its body carries the sequence"), "{help}");
    assert!(!help.contains("evt_"), "{help}");
}

#[test]
fn no_secret_of_the_command_line_is_in_its_debug_form() {
    let line = ["verify", "--secret", "hunter2", "--id", "i", "--timestamp", "1", "--signature", "v1,x"];
    assert!(!format!("{:?}", parsed(&line).unwrap()).contains("hunter2"));
    assert!(!format!("{:?}", parsed(&["events", "list", "--key", "hunter2"]).unwrap()).contains("hunter2"));
}
