//! How the standing of an account reads for people.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::output::{Column, cell, plain};

/// The scope of every watch of reports.
const REPORTS: &str = "reports";

/// The columns of a list of accounts, over [`account_row`]s.
pub(super) const ACCOUNTS: &[Column] = &[
    Column { head: "NAME", pointer: "/name" },
    Column { head: "AGE", pointer: "/age" },
    Column { head: "WATCHES", pointer: "/watches" },
    Column { head: "SHARE", pointer: "/share" },
    Column { head: "CONFIRMING", pointer: "/confirming" },
    Column { head: "WITHHELD", pointer: "/withheld" },
    Column { head: "LOST", pointer: "/lost" },
    Column { head: "ERROR", pointer: "/error" },
];

/// The columns of an account's watches, over [`watch_row`]s.
pub(super) const WATCHES: &[Column] = &[
    Column { head: "WATCH", pointer: "/name" },
    Column { head: "WHY", pointer: "/why" },
    Column { head: "COST", pointer: "/cost" },
    Column { head: "RATE/H", pointer: "/rate" },
    Column { head: "PERIOD", pointer: "/period" },
    Column { head: "AGE", pointer: "/age" },
    Column { head: "DELAY", pointer: "/delay" },
    Column { head: "READ", pointer: "/read" },
    Column { head: "ENTITIES", pointer: "/entities" },
    Column { head: "FAILURES", pointer: "/failures" },
];

/// An account in one line.
pub(super) fn account_row(account: &Value) -> Value {
    json!({
        "name": account["name"],
        "age": span(&account["freshness_s"]),
        "watches": list(account, "watches").len(),
        "share": account["budget"]["share"],
        "confirming": account["confirming"],
        "withheld": withheld(account).values().map(|held| held.missing).sum::<u64>(),
        "lost": list(account, "lost").len(),
        "error": account.pointer("/last_error/message"),
    })
}

/// A watch in one line: what a read costs, how often things change, how often it is read, and what delay that comes to.
pub(super) fn watch_row(watch: &Value) -> Value {
    json!({
        "name": watch["name"],
        "why": watch["why"],
        "cost": watch["cost_requests"],
        "rate": watch["changes_per_hour"].as_f64().map(|rate| format!("{rate:.1}")),
        "period": span(&watch["period_s"]),
        "age": span(&watch["age_s"]),
        "delay": span(&watch["expected_delay_s"]),
        "read": span(&watch["read_s"]),
        "entities": watch["entities"],
        "failures": watch["failures"],
    })
}

/// What is true of the account as a whole.
pub(super) fn heading(account: &Value) -> Vec<String> {
    let budget = &account["budget"];
    let windows = list(budget, "windows").iter();
    let windows: Vec<_> = windows
        .map(|w| format!("{} of {} in {} s", cell(&w["used"]), cell(&w["limit"]), cell(&w["window_s"])))
        .collect();
    let lowered = budget["share"].as_f64() < budget["configured_share"].as_f64();
    let share = match budget["last_limited_at"].as_str().filter(|_| lowered) {
        Some(at) => format!("{} of {} after a 429 at {}", budget["share"], budget["configured_share"], plain(at)),
        None => cell(&budget["share"]),
    };
    let offset = account["clock_offset_s"].as_f64();
    vec![
        line("account", &cell(&account["name"])),
        line("age", &cell(&json!(span(&account["freshness_s"])))),
        line("budget", &cell(&json!(windows))),
        line("share", &share),
        line(
            "clock",
            &offset.map_or_else(|| "-".to_owned(), |offset| format!("{offset:+.1} s, Expensify's against ours")),
        ),
        line("confirming", &cell(&account["confirming"])),
    ]
}

/// What a person should know or do something about.
pub(super) fn amiss(account: &Value) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let watches = list(account, "watches");
    lines.extend(withheld(account).iter().map(|(scope, held)| line("withheld", &held.told(&account["name"], scope))));
    for lost in list(account, "lost") {
        let text = format!("{}: {}, since {}", cell(&lost["scope"]), cell(&lost["reason"]), cell(&lost["since"]));
        lines.push(line("lost", &text));
    }
    for watch in watches.iter().filter(|watch| !list(watch, "set_aside").is_empty()) {
        lines.push(line("set aside", &format!("{}: {}", cell(&watch["name"]), cell(&watch["set_aside"]))));
    }
    let errors = account.get("last_error").filter(|error| error.is_object());
    let told =
        list(account, "notices").iter().map(|notice| ("notice", notice)).chain(errors.map(|error| ("error", error)));
    lines.extend(told.map(|(head, told)| {
        line(head, &format!("{} {}: {}", cell(&told["at"]), cell(&told["watch"]), cell(&told["message"])))
    }));
    lines
}

/// What is held back in a scope.
struct Held<'a> {
    missing: u64,
    of: u64,
    since: &'a str,
}

/// What is held back, by the scope that a release names: all watches of reports are one.
fn withheld(account: &Value) -> BTreeMap<&str, Held<'_>> {
    let mut scopes = BTreeMap::new();
    for watch in list(account, "watches").iter().filter(|watch| watch["withheld"].is_object()) {
        let name = watch["name"].as_str().unwrap_or_default();
        let scope = if name.split(':').next() == Some(REPORTS) { REPORTS } else { name };
        let count = |of: &str| watch["withheld"][of].as_u64().unwrap_or_default();
        let since = watch["withheld"]["since"].as_str().unwrap_or_default();
        let held = scopes.entry(scope).or_insert(Held { missing: 0, of: 0, since });
        (held.missing, held.of) = (held.missing + count("missing"), held.of + count("of"));
        held.since = held.since.min(since);
    }
    scopes
}

impl Held<'_> {
    fn told(&self, account: &Value, scope: &str) -> String {
        let Self { missing, of, since } = self;
        let (scope, since) = (plain(scope), plain(since));
        let release = format!("expensewire accounts release {} --scope {scope} --ceiling {missing}", cell(account));
        format!("{scope}: {missing} of {of} are missing since {since}; if they are gone indeed: `{release}`")
    }
}

/// The items of the list `name`; none when it is not there.
pub(super) fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn line(head: &str, text: &str) -> String {
    format!("{head:<10}  {text}")
}

/// Seconds as a person says them.
fn span(seconds: &Value) -> Option<String> {
    let seconds = seconds.as_f64()?;
    Some(match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_unit_that_a_person_would_use() {
        let told = [(0.04, "0.0 s"), (7.96, "8.0 s"), (45.2, "45 s"), (600.0, "10 min"), (8640.0, "2.4 h")];
        for (seconds, text) in told {
            assert_eq!(span(&json!(seconds)).unwrap(), text);
        }
        assert_eq!(span(&Value::Null), None);
    }

    #[test]
    fn what_is_withheld_is_told_by_scope_with_how_to_release_it() {
        let held = |missing: u64, since: &str| json!({"missing": missing, "of": 40, "since": since});
        let account = json!({"name": "acme", "watches": [
            {"name": "reports:active", "withheld": held(12, "2026-04-02")},
            {"name": "reports:2026-03", "withheld": held(30, "2026-04-01")},
            {"name": "cards:acme.example", "withheld": held(5, "2026-04-03")},
            {"name": "policies", "withheld": null},
        ]});
        assert_eq!(account_row(&account)["withheld"], 47);
        let lines = amiss(&account);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("cards:acme.example: 5 of 40 are missing since 2026-04-03"), "{lines:?}");
        let reports = "reports: 42 of 80 are missing since 2026-04-01; if they are gone indeed: \
                       `expensewire accounts release acme --scope reports --ceiling 42`";
        assert!(lines[1].ends_with(reports), "{lines:?}");
    }

    #[test]
    fn hostile_text_is_made_plain_wherever_it_is() {
        let hostile = "\u{1b}[2J";
        let account = json!({
            "name": hostile, "lost": [{"scope": hostile, "reason": hostile, "since": hostile}],
            "notices": [{"at": hostile, "watch": hostile, "message": hostile}],
            "budget": {"share": 0.5, "configured_share": 1.0, "last_limited_at": hostile},
            "watches": [{"name": hostile, "withheld": {"missing": hostile}, "set_aside": [hostile]}],
        });
        let lines = [heading(&account), amiss(&account)].concat();
        assert_eq!(lines.len(), 10);
        assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "{lines:?}");
    }
}
