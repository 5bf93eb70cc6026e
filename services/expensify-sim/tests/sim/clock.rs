//! The server's clock, and how long it takes to render.

use crate::harness::{Upstream, answer, calm, job, start};
use expensify_sim::{Change, Mix, Settings, SimConfig, Trigger};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::time::{Duration, Instant};

async fn date(up: &Upstream) -> Option<String> {
    let text = job("get", json!({ "type": "policyList" })).to_string();
    let response = up.http.post(up.sim.endpoint()).form(&[("requestJobDescription", text)]).send().await.unwrap();
    response.headers().get("date").map(|value| value.to_str().unwrap().to_owned())
}

fn parsed(date: &str) -> Timestamp {
    let civil = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", date).unwrap();
    civil.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
}

#[tokio::test]
async fn the_date_header_tells_the_servers_clock_or_is_missing() {
    let up = start(calm()).await;
    let off = |date: &str| parsed(date).duration_since(Timestamp::now()).as_secs();
    assert!(off(&date(&up).await.unwrap()).abs() <= 2);
    up.sim.set_settings(Settings { clock_skew_s: -7_200, ..Settings::default() }).unwrap();
    assert!((off(&date(&up).await.unwrap()) + 7_200).abs() <= 2);
    up.sim.set_settings(Settings { no_date_header: true, ..Settings::default() }).unwrap();
    assert_eq!(date(&up).await, None);
}

#[tokio::test]
async fn what_the_server_writes_is_on_its_clock_and_the_journal_is_not() {
    let up = start(calm()).await;
    let skew = SignedDuration::from_hours(48);
    up.sim.set_settings(Settings { clock_skew_s: skew.as_secs(), ..Settings::default() }).unwrap();
    let id = up.in_state("OPEN");
    let record = up.sim.trigger(&Trigger::report(Change::Submitted, &id)).unwrap();
    assert!(Timestamp::now().duration_since(record.at).abs() < SignedDuration::from_secs(10));
    let submitted = up.row(&id).await.unwrap()["submitted"].clone();
    assert_eq!(submitted, (record.at + skew).strftime("%Y-%m-%d %H:%M:%S").to_string().as_str());
    assert_eq!(
        answer(up.http.put(format!("{}/settings", up.sim.control_url())).json(&json!({ "clock_skew_s": i64::MAX })))
            .await
            .status,
        422
    );
}

#[tokio::test]
async fn a_zone_moves_what_is_written_and_nothing_that_is_compared() {
    let up = start(calm()).await;
    let id = up.in_state("APPROVED");
    let plain = up.row(&id).await.unwrap();
    up.sim.set_settings(Settings { zone_s: -5 * 3_600, ..Settings::default() }).unwrap();
    let moved = up.row(&id).await.unwrap();
    let moment = |date: &serde_json::Value| {
        let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", date.as_str().unwrap()).unwrap();
        civil.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
    };
    for path in ["/created", "/submitted", "/approved", "/approvers/0/date", "/actionList/0/created"] {
        let [plain, moved] = [&plain, &moved].map(|row| moment(row.pointer(path).unwrap()));
        assert_eq!(plain.duration_since(moved), SignedDuration::from_hours(5), "{path}");
    }
    assert_eq!(moved["reimbursed"], "");
    let off = parsed(&date(&up).await.unwrap()).duration_since(Timestamp::now());
    assert!(off.abs() <= SignedDuration::from_secs(2));
    assert!(up.sim.set_settings(Settings { zone_s: 15 * 3_600, ..Settings::default() }).is_err());
}

#[tokio::test]
async fn an_export_takes_as_long_as_its_reports_need() {
    let settings = Settings { render_us_per_report: 5_000, ..Settings::default() };
    let up = start(SimConfig { settings, ..calm() }).await;
    let started = Instant::now();
    up.rows(json!({}), json!({})).await;
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    let export = up.sim.exports(0).remove(0);
    let took = export.answered_at.unwrap().duration_since(export.read_at);
    assert!(took >= SignedDuration::from_millis(299), "{took}");
    let url = format!("{}/settings", up.sim.control_url());
    let now = answer(up.http.patch(&url).json(&json!({ "no_date_header": true }))).await.json();
    assert_eq!((&now["render_us_per_report"], &now["no_date_header"]), (&json!(5_000), &json!(true)));
}

#[tokio::test]
async fn life_changes_only_what_has_a_share() {
    let settings = Settings { life: Mix { reports: 1, policies: 0, cards: 0 }, ..Settings::default() };
    let up = start(SimConfig { settings, changes_per_minute: 60_000.0, ..calm() }).await;
    let changes = up.changes(100).await;
    assert!(changes.iter().all(|record| record.entity.starts_with("report/")));
}
