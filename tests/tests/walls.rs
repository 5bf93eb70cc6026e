//! The walls between the crates (ARCHITECTURE, "Walls"): who may depend on whom, and what the pure crates never know.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What each crate of ours may depend on of ours. A crate that is not here may depend on nothing of ours and be depended
/// on by the binary and the tests alone.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event-model", &[]),
    ("change-engine", &["event-model"]),
    ("expensify-client", &["event-model"]),
    ("event-store", &["event-model"]),
    ("poller", &["event-model", "change-engine", "expensify-client", "event-store"]),
    ("dispatcher", &["event-model", "change-engine", "event-store"]),
    ("http-api", &["event-model", "event-store"]),
    ("console", &[]),
    ("expensify-sim", &[]),
];

/// The crates that may know everything.
const SEE_ALL: &[&str] = &["expensewire", "tests"];

/// Crates in which time, chance and input are arguments, and what they must therefore never build on, at any depth.
const PURE: &[&str] = &["event-model", "change-engine"];
const IMPURE: &[&str] =
    &["tokio", "reqwest", "hyper", "axum", "sled", "rand", "getrandom", "uuid", "tracing", "prometheus", "rustls"];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(vec!["--locked".to_owned(), "--offline".to_owned()])
        .exec()
        .expect("cargo metadata of this tree")
}

fn ours(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    metadata.workspace_packages().into_iter().map(|p| (p.name.as_str(), p)).collect()
}

#[test]
fn crates_depend_on_each_other_only_as_the_floor_plan_says() {
    let metadata = metadata();
    let ours = ours(&metadata);
    for (name, package) in &ours {
        if SEE_ALL.contains(name) {
            continue;
        }
        let (_, allowed) = MAY_USE.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name} has no place"));
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            assert!(!ours.contains_key(used) || allowed.contains(&used), "{name} must not know {used}");
        }
    }
    assert_eq!(ours.len(), MAY_USE.len() + SEE_ALL.len(), "a crate of the plan is missing");
}

#[test]
fn each_crate_lives_in_the_folder_of_its_name() {
    let metadata = metadata();
    for (name, package) in ours(&metadata) {
        let folder = package.manifest_path.parent().and_then(|p| p.file_name()).expect("a folder");
        assert_eq!(folder, name);
        assert!(package.manifest_path.with_file_name("README.md").exists(), "{name} has no README");
    }
}

#[test]
fn pure_crates_reach_no_clock_no_chance_and_no_world() {
    let metadata = metadata();
    let ours = ours(&metadata);
    for name in PURE {
        let reached = reachable(&metadata, ours[name]);
        for impure in IMPURE {
            assert!(!reached.contains(*impure), "{name} reaches {impure}");
        }
    }
}

#[test]
fn only_the_store_knows_sled_and_only_the_binary_reads_the_command_line() {
    let metadata = metadata();
    for (name, package) in ours(&metadata) {
        let uses = |wanted: &str| package.dependencies.iter().any(|d| d.name == wanted);
        assert_eq!(uses("sled"), name == "event-store", "{name} and sled");
        assert!(!uses("clap") || SEE_ALL.contains(&name), "{name} and clap");
    }
}

/// Names of everything that `package` is built on, development dependencies aside.
fn reachable(metadata: &Metadata, package: &Package) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let mut waiting = vec![&package.id];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        for dependency in &nodes[id].deps {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}
