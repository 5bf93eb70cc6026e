//! The service itself: version, log, store, accounts, keys, health.

use askama::Template;
use axum::http::Uri;
use jiff::Timestamp;

use super::{Answer, Asked, allowed, page};
use crate::{
    api::Caller,
    config::ROWS_SHOWN,
    link,
    model::{
        account::{Account, Accounts},
        key::{Key, Keys},
    },
    samples::sum,
    shell::{Part, Shell},
    time::Moment,
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "system.html")]
struct System {
    shell: Shell,
    is_live: bool,
    is_ready: bool,
    last_sequence: Option<String>,
    horizon: Option<String>,
    store: Option<String>,
    free: Option<String>,
    since: Option<Moment>,
    accounts: Option<Vec<Account>>,
    keys: Option<Vec<Key>>,
    more_keys: Option<String>,
}

/// `GET /console/system`
pub(super) async fn show(visitor: Visitor, uri: Uri) -> Answer {
    let api = visitor.api();
    let open = Caller { key: None, ..api };
    let metrics = visitor.console.metrics().await?;
    let gauge = |name: &str| sum(&metrics, name).filter(|value| *value >= 0.0);
    let whole = |name: &str| gauge(name).map(|value| format!("{value:.0}"));
    let cursor = Asked::of(&uri).text("cursor").to_owned();
    let limit = ROWS_SHOWN.to_string();
    let path = link::with_query("/v1/keys", &[("limit", &limit), ("cursor", &cursor)]);
    let keys = allowed(api.get::<Keys>(&path).await)?;
    let next = keys.as_ref().and_then(|keys| keys.next.clone());
    page(&System {
        shell: visitor.shell(Part::System, "System"),
        is_live: open.text("/livez").await.is_ok(),
        is_ready: open.text("/readyz").await.is_ok(),
        last_sequence: whole("expensewire_log_last_sequence"),
        horizon: whole("expensewire_log_horizon_sequence"),
        store: gauge("expensewire_store_bytes").map(bytes),
        free: gauge("expensewire_store_free_bytes").map(bytes),
        since: gauge("process_start_time_seconds").and_then(moment),
        accounts: allowed(api.get::<Accounts>("/v1/accounts").await)?.map(|all| all.accounts),
        keys: keys.map(|keys| keys.keys),
        more_keys: next.map(|next| link::with_query("/console/system", &[("cursor", &next)])),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 are far below 2^53")]
fn moment(seconds: f64) -> Option<Moment> {
    Timestamp::from_second(seconds as i64).ok().map(Moment::of)
}

/// A size as people read it.
fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut size = bytes;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{size:.0} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_or_so() {
        assert_eq!((bytes(999.0), bytes(1000.0)), ("999 B".to_owned(), "1.0 kB".to_owned()));
        assert_eq!(bytes(5.25e9), "5.2 GB");
        assert_eq!(bytes(7e15), "7000.0 TB");
    }
}
