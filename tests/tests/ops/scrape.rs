//! `/metrics` of the running program, read as Prometheus reads it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use reqwest::{Client, Url};
use tests::{program::Running, wait};

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
/// For everything that must come, however busy the machine.
const LIMIT: Duration = Duration::from_secs(90);
/// What stopping may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A family of series.
#[derive(Default)]
pub struct Family {
    pub help: String,
    pub kind: String,
    /// Each label with the values that it has.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// Runs the demo until `/metrics` shows each of `wanted`, and gives what it showed at last.
pub async fn with(wanted: &BTreeSet<String>) -> (String, BTreeMap<String, Family>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut demo = Running::start(Path::new(PROGRAM), &["demo", "--listen", "127.0.0.1:0"]).expect("the demo starts");
    let line = demo.line_with("follow", LIMIT).await.expect("the curl to follow with");
    let url = line.split_whitespace().last().expect("a URL").parse::<Url>().expect("a URL");
    let url = url.join("/metrics").expect("a URL");
    demo.line_with("have arrived, signed and verified", LIMIT).await.expect("the promised events");
    let http = Client::builder().no_proxy().build().expect("a client");
    let text = RefCell::new(String::new());
    let (last, http, url) = (&text, &http, &url);
    let shown = wait::until("all metrics", LIMIT, || async {
        let answer = http.get(url.clone()).send().await.ok()?.text().await.ok()?;
        let families = families(&answer);
        last.replace(answer);
        wanted.iter().all(|name| family(&families, name).is_some()).then_some(families)
    });
    let Ok(shown) = shown.await else {
        let families = families(&text.borrow());
        let missing: Vec<_> = wanted.iter().filter(|name| family(&families, name).is_none()).collect();
        panic!("named under ops/ and not shown by the program: {missing:?}");
    };
    assert_eq!(demo.interrupt(STOP_LIMIT).await.expect("an end in time").code(), Some(0));
    (text.into_inner(), shown)
}

/// The family that shows `name`: its own, or that of a histogram's part.
pub fn family<'a>(families: &'a BTreeMap<String, Family>, name: &str) -> Option<&'a Family> {
    let part = || {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part))?;
        families.get(base).filter(|family| family.kind == "histogram")
    };
    families.get(name).filter(|family| family.kind != "histogram").or_else(part)
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            let (name, help) = told.split_once(' ').unwrap_or((told, ""));
            families.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|told| told.split_once(' ')) {
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((name, labels)) = line.split_once('{') {
            let bases = ["_bucket", "_sum", "_count"].iter().filter_map(|part| name.strip_suffix(part));
            let base = bases.chain([name]).find(|base| families.contains_key(*base)).unwrap_or(name).to_owned();
            let family = families.entry(base).or_default();
            for (label, value) in matchers(labels).into_iter().map(|(label, _, value)| (label, value)) {
                family.labels.entry(label).or_default().insert(value);
            }
        }
    }
    families
}

/// The `label OPERATOR "value"` up to the closing brace. No value of ours has a quote in it.
pub fn matchers(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches('{');
    while let Some((before, after)) = rest.split_once('"') {
        if before.contains('}') {
            break;
        }
        let Some((value, left)) = after.split_once('"') else { break };
        let head = before.trim_start_matches([',', ' ']);
        let end = head.find(['=', '!', '~']).unwrap_or(head.len());
        found.push((head[..end].trim().to_owned(), head[end..].trim().to_owned(), value.to_owned()));
        rest = left;
    }
    found
}
