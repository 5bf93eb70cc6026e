//! Every metric that something under `ops/` names is shown by the running program, with the labels that it is asked by.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use crate::{
    files,
    scrape::{self, Family},
};

/// What people's programs lean on, whether or not something under `ops/` does.
const AGREED: &[&str] = &[
    "expensewire_expensify_requests_total",
    "expensewire_expensify_request_duration_seconds_count",
    "expensewire_budget_used",
    "expensewire_budget_throttled_seconds_total",
    "expensewire_poll_age_seconds",
    "expensewire_detection_delay_seconds_count",
    "expensewire_events_appended_total",
    "expensewire_log_last_sequence",
    "expensewire_store_bytes",
    "expensewire_delivery_attempts_total",
    "expensewire_delivery_duration_seconds_count",
    "expensewire_delivery_latency_seconds_count",
    "expensewire_subscription_lag_events",
    "expensewire_subscription_lag_seconds",
    "expensewire_subscription_oldest_undelivered_seconds",
    "expensewire_subscriptions",
    "expensewire_dead_letters",
    "expensewire_quarantined_scopes",
];
/// Labels that Prometheus gives; `exported_job` is what it makes of a label `job` of ours.
const GIVEN: &[&str] = &["job", "instance", "exported_job"];
/// Values that a demo of a small account in which all goes well does not show; all others must be seen.
const RARE: &[&str] = &["api_error", "reports:window"];
/// How the name of a gauge may end: a unit, or the plural of what is counted.
const GAUGES: &[&str] = &[
    "_seconds",
    "_bytes",
    "_sequence",
    "_events",
    "_share",
    "_used",
    "_scopes",
    "_policies",
    "_notices",
    "_streams",
    "_letters",
    "_subscriptions",
    "_full",
    "_suspended",
    "_held_back",
    "_differing",
];

/// The text of all that names metrics: rules, dashboards and pages, but not the rules' tests with their made-up histories.
fn texts() -> BTreeMap<String, String> {
    let paths = files::under(&files::ops(), &["yml", "yaml", "json", "md"]);
    let ours = paths.into_iter().filter(|path| !path.starts_with(files::ops().join("rules/tests")));
    ours.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("text"))).collect()
}

#[tokio::test]
async fn every_metric_named_in_ops_is_shown_with_help_unit_and_labels() {
    let texts = texts();
    let mut wanted: BTreeSet<String> = AGREED.iter().map(|name| (*name).to_owned()).collect();
    for text in texts.values() {
        wanted.extend(files::names(text, "expensewire_"));
        wanted.extend(files::names(text, "process_"));
    }
    assert!(wanted.len() > 40, "the scan found too little: {wanted:?}");
    let (text, families) = scrape::with(&wanted).await;
    if let Some(path) = std::env::var_os("EXPENSEWIRE_SCRAPE_TO") {
        fs::write(path, text).expect("a file for the scrape");
    }
    for (name, family) in &families {
        is_well_named(name, family);
    }
    for (file, text) in &texts {
        asks_by_labels_that_exist(file, &text.replace("\\\"", "\""), &families);
    }
}

fn is_well_named(name: &str, family: &Family) {
    assert!(family.help.len() > 10, "{name} has no help: {:?}", family.help);
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let well = match family.kind.as_str() {
        _ if name.starts_with("process_") => true,
        "counter" => ends(&["_total"]),
        "histogram" => ends(&["_seconds", "_bytes"]),
        "gauge" => ends(GAUGES),
        _ => false,
    };
    assert!(well && (name.starts_with("expensewire_") || name.starts_with("process_")), "{name}, a {}", family.kind);
}

/// `name{label="value"}` in `text`: the labels are the family's, and values asked for exactly are seen.
fn asks_by_labels_that_exist(file: &str, text: &str, families: &BTreeMap<String, Family>) {
    for name in files::names(text, "expensewire_") {
        let family = scrape::family(families, &name).expect("it was found");
        for (at, _) in text.match_indices(&format!("{name}{{")) {
            for (label, operator, value) in scrape::matchers(&text[at + name.len()..]) {
                if GIVEN.contains(&label.as_str()) {
                    continue;
                }
                let Some(values) = family.labels.get(&label) else { panic!("{file}: {name} has no label {label}") };
                let known = value.starts_with('$') || values.contains(&value) || RARE.contains(&value.as_str());
                assert!(operator != "=" || known, "{file}: no {name} has {label}={value:?}, but {values:?}");
            }
        }
    }
}

#[test]
fn dashboards_and_alerts_ask_for_recorded_series_that_are_recorded() {
    let recorded = files::names(&files::read("rules/slo.yml"), "expensewire:");
    let mut asked = files::names(&files::read("rules/alerts.yml"), "expensewire:");
    for path in files::under(&files::ops().join("grafana"), &["json"]) {
        let board: Value = serde_json::from_str(&fs::read_to_string(path).expect("text")).expect("JSON");
        asked.extend(files::names(&board.to_string(), "expensewire:"));
    }
    let unknown: Vec<_> = asked.difference(&recorded).collect();
    assert!(unknown.is_empty() && asked.len() > 8, "asked for and not recorded: {unknown:?}");
}
