//! The metrics, as Prometheus' own Python library reads them.

use std::collections::BTreeMap;

use crate::{
    foreign::{line, python, said_well, script},
    service::Service,
};

#[tokio::test]
async fn prometheus_client_reads_the_metrics() {
    let who = "prometheus_client (Python)";
    let text = Service::start().await.text("/metrics").await;
    let Some(read) = said_well(who, python().arg(script("metrics.py")), &text) else { return };
    let families: BTreeMap<String, usize> = serde_json::from_str(&read).expect("json");
    let described = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    // The library tells a counter without what its name ends in.
    let described: Vec<_> = described.map(|name| name.strip_suffix("_total").unwrap_or(name)).collect();
    assert!(described.len() > 20, "{described:?}");
    for name in &described {
        assert!(families.contains_key(*name), "{name} is not read");
    }
    let samples: usize = families.values().sum();
    let written = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    assert_eq!((families.len(), samples), (described.len(), written));
    line(who, &format!("/metrics: {} families, {samples} samples", families.len()));
}
