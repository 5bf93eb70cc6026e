//! Dashboards that can be carried to any Grafana, and read by somebody who did not make them.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::files;

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;
const DATA_SOURCE: &str = "${datasource}";

fn boards() -> Vec<(String, Value)> {
    let found = files::under(&files::ops().join("grafana"), &["json"]);
    assert_eq!(found.len(), 3, "overview, one account, delivery");
    let read = |path| serde_json::from_str(&fs::read_to_string(path).expect("text")).expect("JSON");
    found.iter().map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), read(path))).collect()
}

fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    board["panels"].as_array().expect("panels").iter()
}

fn graphs(board: &Value) -> impl Iterator<Item = &Value> {
    panels(board).filter(|panel| panel["type"] != "row")
}

#[test]
fn each_takes_its_data_from_wherever_the_variable_says() {
    for (name, board) in boards() {
        let variables = board["templating"]["list"].as_array().expect("variables");
        assert_eq!(variables[0]["type"], "datasource", "{name}");
        assert_eq!(variables[0]["query"], "prometheus", "{name}");
        for variable in &variables[1..] {
            assert_eq!(variable["datasource"]["uid"], DATA_SOURCE, "{name} {}", variable["name"]);
        }
        for panel in graphs(&board) {
            assert_eq!(panel["datasource"]["uid"], DATA_SOURCE, "{name} {}", panel["title"]);
            for target in panel["targets"].as_array().expect("targets") {
                assert_eq!(target["datasource"]["uid"], DATA_SOURCE, "{name} {}", panel["title"]);
                let query = target["expr"].as_str().unwrap_or_default();
                assert!(query.contains("$job"), "{name} {}: {query} asks every job", panel["title"]);
            }
        }
        assert!(board.get("id").is_none(), "{name} has the id of one Grafana");
    }
}

#[test]
fn each_panel_says_what_it_shows_and_in_what_unit() {
    for (name, board) in boards() {
        for panel in graphs(&board) {
            let title = panel["title"].as_str().unwrap_or_default();
            assert!(!title.is_empty() && panel["description"].as_str().is_some_and(|d| d.len() > 10), "{name} {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name} {title} has no unit");
            let targets = panel["targets"].as_array().expect("targets");
            let ids: BTreeSet<_> = targets.iter().filter_map(|target| target["refId"].as_str()).collect();
            assert!(!targets.is_empty() && ids.len() == targets.len(), "{name} {title}");
        }
    }
}

#[test]
fn no_panel_lies_on_another() {
    for (name, board) in boards() {
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(&board) {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a place"));
            assert!(ids.insert(panel["id"].as_u64()) && x + w <= COLUMNS, "{name} {}", panel["title"]);
            for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))) {
                assert!(cells.insert(cell), "{name}: {} lies on another at {cell:?}", panel["title"]);
            }
        }
    }
}
