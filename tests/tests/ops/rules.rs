//! Each alert has what a person needs who is woken by it, and two tests.

use std::collections::BTreeSet;

use crate::files;

const SECTIONS: [&str; 4] = ["**Meaning.**", "**Impact.**", "**Check.**", "**Act.**"];

/// The alerts, each with its lines.
fn alerts() -> Vec<(String, String)> {
    let text = files::read("rules/alerts.yml");
    let found: Vec<_> = text
        .split("- alert: ")
        .skip(1)
        .map(|alert| (alert.lines().next().unwrap_or_default().trim().to_owned(), alert.to_owned()))
        .collect();
    assert!(found.len() > 30, "the scan found too few alerts");
    found
}

#[test]
fn each_alert_says_how_urgent_it_is_and_where_its_page_is() {
    for (name, alert) in alerts() {
        assert!(["severity: page", "severity: ticket"].iter().any(|line| alert.contains(line)), "{name}");
        assert!(alert.contains("summary: "), "{name}");
        let page = format!("runbook_url: ops/runbook.md#{}", name.to_lowercase());
        assert!(alert.lines().any(|line| line.trim() == page), "{name}: no line {page:?}");
    }
}

#[test]
fn each_alert_has_a_heading_in_the_runbook_and_each_heading_an_alert() {
    let runbook = files::read("runbook.md");
    let headings: BTreeSet<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    let names: BTreeSet<_> = alerts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(headings, names);
    for part in runbook.split("\n## ").skip(1) {
        let name = part.lines().next().unwrap_or_default();
        let places: Vec<_> = SECTIONS.iter().map(|section| part.find(section)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{name}: {SECTIONS:?} are at {places:?}");
    }
}

#[test]
fn links_within_the_runbook_lead_somewhere() {
    let runbook = files::read("runbook.md");
    let headings = runbook.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
    let anchors: BTreeSet<_> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    for link in runbook.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(anchors.contains(link), "no heading for #{link}");
    }
}

#[test]
fn for_each_alert_one_history_fires_and_one_does_not() {
    let files = ["alerts", "days", "objectives"].map(|name| files::read(&format!("rules/tests/{name}.yml")));
    let cases: Vec<&str> = files.iter().flat_map(|text| text.split("- name: '").skip(1)).collect();
    let names: BTreeSet<_> = alerts().into_iter().map(|(name, _)| name).collect();
    for name in &names {
        let asks = format!("count(ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}})");
        for (head, samples) in [("fires", "exp_samples: [{labels: '{}', value: 1}]"), ("is quiet: ", "exp_samples: []")]
        {
            let of =
                |case: &&&str| case.strip_prefix(name.as_str()).is_some_and(|rest| rest.trim_start().starts_with(head));
            let found: Vec<_> = cases.iter().filter(of).collect();
            assert_eq!(found.len(), 1, "cases {name} {head}");
            assert!(found[0].contains(&asks) && found[0].contains(samples), "{name} {head} asks for something else");
        }
    }
    assert_eq!(cases.len(), names.len() * 2, "a case of no alert");
}
