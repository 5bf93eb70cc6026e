//! `expensewire doctor` as a person runs it: beside a service, without one, before the first start; and each check that can
//! be made to fail.

#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

mod damage;
mod forms;
mod subscribers;
mod waits;
mod world;

use std::{
    fs,
    net::TcpListener as StdListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use expensify_sim::Settings;
use serde_json::{Value, json};
use world::{HOST, World, check, ran, states};

#[tokio::test(flavor = "multi_thread")]
async fn where_a_service_runs_it_is_asked_and_the_upstream_is_not() {
    let world = World::new().await.started().await.read().await;
    let sub = world.subscribe(&format!("http://{HOST}:1/")).await;
    // The doctor's own way to the upstream ends at somebody who counts.
    let (elsewhere, met) = counting();
    let mut command = world.command(&["-o", "json"]);
    command.env("EXPENSEWIRE__ACCOUNTS__ACME__ENDPOINT", &elsewhere);
    let (code, checks) = ran(&mut command).await;
    assert_eq!(code, 0, "{checks:?}");
    for name in
        ["directory", "space", "sealing key", "service", "budget", "credentials", "template", "subscriber", "log"]
    {
        assert_eq!(check(&checks, name)["status"], "ok", "{checks:?}");
    }
    assert_eq!(met.load(Ordering::Relaxed), 0, "the budget is the service's");
    assert_eq!(
        (&check(&checks, "subscriber")["about"], &check(&checks, "budget")["about"]),
        (&json!(sub), &json!("acme"))
    );
    assert!(check(&checks, "budget")["measure"]["value"].is_number());

    let mut wrong = world.command(&["-o", "json", "--key", "ew_wrong"]);
    let (code, checks) = ran(&mut wrong).await;
    let service = check(&checks, "service");
    assert_eq!((code, &service["status"]), (6, &json!("fail")), "{service}");
    assert!(service["next"].as_str().unwrap().contains("--key"), "{service}");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_runs_the_upstream_is_asked_three_times_at_most_and_the_ledger_counts_it() {
    let world = World::new().await.started().await.read().await.stopped().await;
    let before = world.simulator.stats().requests;
    let (code, checks) = world.doctor(&[]).await;
    assert_eq!(code, 0, "{checks:?}");
    // But for limits that are no Expensify's.
    assert!(states(&checks).iter().all(|(name, state)| *state == "ok" || *name == "configuration"), "{checks:?}");
    assert!(check(&checks, "credentials")["what"].as_str().unwrap().contains("administer"), "{checks:?}");
    assert!(check(&checks, "clock")["measure"]["value"].as_f64().unwrap().abs() <= 2.0, "{checks:?}");
    let asked = world.simulator.stats().requests - before;
    assert!((1..=3).contains(&asked), "{asked}");

    // What the first doctor spent, the second one finds in the ledger.
    let left = |checks: &[Value]| check(checks, "budget")["measure"]["value"].as_f64().unwrap();
    let (_, again) = world.doctor(&["--skip", "log,subscribers"]).await;
    assert!(left(&again) <= left(&checks), "{again:?}");
    assert_eq!(
        (&check(&again, "log")["status"], &check(&again, "subscriber")["status"]),
        (&json!("skipped"), &json!("skipped"))
    );
    let (_, none) = world.doctor(&["--skip", "upstream"]).await;
    assert_eq!(world.simulator.stats().requests, before + 2 * asked, "{none:?}");
    // And the service starts on the store as before.
    world.started().await.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_nothing_is_made() {
    let world = World::new().await;
    let (code, checks) = world.doctor(&["--skip", "upstream"]).await;
    assert_eq!(code, 0, "{checks:?}");
    assert!(check(&checks, "directory")["what"].as_str().unwrap().contains("the first start makes it"));
    assert!(!world.data().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_fail_and_end_what_is_asked() {
    let world = World::new().await.started().await.stopped().await;
    let before = world.simulator.stats().requests;
    let mut command = world.command(&["-o", "json"]);
    command.env("EXPENSEWIRE__ACCOUNTS__ACME__PARTNER_USER_SECRET", "wrong");
    let (code, checks) = ran(&mut command).await;
    assert_eq!((code, &check(&checks, "credentials")["status"]), (6, &json!("fail")), "{checks:?}");
    assert_eq!(check(&checks, "template")["status"], "skipped");
    assert_eq!(world.simulator.stats().requests - before, 1);
    assert!(!format!("{checks:?}").contains("wrong\""), "no secret is told");

    let mut away = world.command(&["-o", "json"]);
    away.env("EXPENSEWIRE__ACCOUNTS__ACME__ENDPOINT", "http://127.0.0.1:1/");
    let (code, checks) = ran(&mut away).await;
    let told = check(&checks, "credentials");
    assert!(code == 6 && told["next"].as_str().unwrap().contains("firewall"), "{told}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_the_ground_is_told_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await.started().await.stopped().await;
    let mode = |mode| fs::set_permissions(world.data(), fs::Permissions::from_mode(mode)).unwrap();
    for (bits, state) in [(0o755, "warn"), (0o707, "fail")] {
        mode(bits);
        let (_, checks) = world.doctor(&["--skip", "upstream,log"]).await;
        let told = check(&checks, "directory");
        assert!(told["status"] == state && told["next"].as_str().unwrap().starts_with("chmod 700"), "{told}");
    }
    mode(0o700);
    fs::remove_file(world.data().join("sealing.key")).unwrap();
    let (code, checks) = world.doctor(&["--skip", "upstream,log"]).await;
    assert_eq!((code, &check(&checks, "sealing key")["status"]), (6, &json!("fail")), "{checks:?}");

    fs::write(world.file(), "[server]\nlistn = 1\n").unwrap();
    let (code, checks) = world.doctor(&[]).await;
    let told = check(&checks, "configuration");
    assert!(code == 6 && checks.len() == 1 && told["why"].as_str().unwrap().contains("listn"), "{checks:?}");
}

/// A port that counts who comes.
fn counting() -> (String, Arc<AtomicUsize>) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let met = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&met);
    thread::spawn(move || listener.incoming().for_each(|_| _ = counted.fetch_add(1, Ordering::Relaxed)));
    (url, met)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_told_by_the_upstreams_date() {
    let world = World::new().await.started().await.stopped().await;
    for (skew_s, state, way) in [(95, "warn", "95 s ahead of ours"), (-600, "fail", "600 s behind ours")] {
        let settings = Settings { clock_skew_s: skew_s, ..world.simulator.settings() };
        world.simulator.set_settings(settings).unwrap();
        let (code, checks) = world.doctor(&["--skip", "log,subscribers"]).await;
        let clock = check(&checks, "clock");
        assert_eq!((code, &clock["status"]), (if state == "fail" { 6 } else { 0 }, &json!(state)), "{checks:?}");
        // A header has whole seconds, and the answer took its time.
        let off = clock["measure"]["value"].as_f64().unwrap();
        assert!((off - skew_s as f64).abs() <= 2.0, "{clock}");
        let told = clock["what"].as_str().unwrap();
        assert!(told.contains(way.split_once(' ').unwrap().1), "{told}");
        assert!(clock["next"].as_str().unwrap().contains("NTP"), "{clock}");
    }
    let settings = Settings { no_date_header: true, ..world.simulator.settings() };
    world.simulator.set_settings(settings).unwrap();
    let (_, checks) = world.doctor(&["--skip", "log,subscribers"]).await;
    assert_eq!(check(&checks, "clock")["status"], "skipped", "{checks:?}");
}
