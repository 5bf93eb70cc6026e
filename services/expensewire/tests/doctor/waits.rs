//! Those who do not answer: a doctor ends all the same, and says what it could not find out.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command as Process, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::world::{HOST, World, check, ran};

/// For a test on a machine with other work, beyond what the doctor itself is to take.
const SLACK: Duration = Duration::from_secs(15);

/// Takes connections and keeps them; `talk` is all that it ever says on one.
fn mute(talk: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        listener.incoming().map_while(Result::ok).for_each(|stream| _ = thread::spawn(move || talk(stream)))
    });
    port
}

/// Nothing.
fn silent(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// A record of TLS, a byte a second: whoever waits for each byte alone waits for hours.
fn dripping(mut stream: TcpStream) {
    for byte in [0x16, 0x03, 0x03, 0x40, 0x00].into_iter().chain(std::iter::repeat(0)) {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_never_answer_have_the_time_of_a_delivery() {
    let world = World::new().await.started().await;
    let mut mutes = Vec::new();
    for talk in [silent, dripping] {
        mutes.push(world.subscribe(&format!("https://{HOST}:{}/", mute(talk))).await);
    }
    let mut command = world.command(&["-o", "json", "--skip", "log"]);
    command.env("EXPENSEWIRE__DELIVERY__TIMEOUT_S", "3");
    let began = Instant::now();
    let (code, checks) = ran(&mut command).await;
    assert!(began.elapsed() < Duration::from_secs(3) + SLACK, "{:?}", began.elapsed());
    assert_eq!(code, 6);
    for id in mutes {
        let one = checks.iter().find(|check| check["about"] == id.as_str()).unwrap();
        let told = (one["status"].as_str().unwrap(), one["what"].as_str().unwrap());
        assert_eq!(told, ("fail", "localhost: no answer within 3 s"), "{one}");
    }
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_hangs_ends_with_the_time_of_the_doctor_and_what_was_not_found_out_is_named() {
    let world = World::new().await.started().await;
    world.subscribe(&format!("https://{HOST}:{}/", mute(silent))).await;
    let world = world.stopped().await;
    let mut command = world.command(&["-o", "json", "--timeout", "3"]);
    command.env("EXPENSEWIRE__ACCOUNTS__ACME__ENDPOINT", format!("http://127.0.0.1:{}/", mute(silent)));
    let began = Instant::now();
    let (code, checks) = ran(&mut command).await;
    assert!(began.elapsed() < Duration::from_secs(3) + SLACK, "{:?}", began.elapsed());
    for name in ["credentials", "subscriber", "log"] {
        let one = check(&checks, name);
        assert_eq!(one["status"], "warn", "{one}");
        assert!(one["what"].as_str().unwrap().contains("not found out: the 3 s"), "{one}");
        assert!(one["next"].as_str().unwrap().contains("--timeout"), "{one}");
    }
    assert_eq!((code, &check(&checks, "template")["status"]), (0, &json!("skipped")), "{checks:?}");
    // And the store is whole.
    world.started().await.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_takes_connections_and_says_nothing_is_told_as_such() {
    let world = World::new().await.started().await;
    let mut command = world.command(&["-o", "json", "--timeout", "2"]);
    command.env("EXPENSEWIRE_SERVER", format!("http://127.0.0.1:{}", mute(silent)));
    let began = Instant::now();
    let (_, checks) = ran(&mut command).await;
    assert!(began.elapsed() < Duration::from_secs(2) + SLACK, "{:?}", began.elapsed());
    let service = check(&checks, "service");
    assert!(service["status"] == "warn" && service["why"].as_str().unwrap().contains("says nothing"), "{service}");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_the_doctor_stays_until_the_upstream_has_forgotten_what_it_asked() {
    let world = World::new().await;
    let told = |args: &[&str]| {
        let began = Instant::now();
        let output = tokio::task::block_in_place(|| world.command(args).output().unwrap());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        (String::from_utf8(output.stderr).unwrap(), began.elapsed())
    };
    let (said, took) = told(&["--settle", "3"]);
    assert!(said.contains("waiting 3 s") && took >= Duration::from_secs(3), "{took:?}: {said}");
    for nothing_to_wait_for in [&["--settle", "0"][..], &["--skip", "upstream"]] {
        let (said, _) = told(nothing_to_wait_for);
        assert!(!said.contains("waiting"), "{nothing_to_wait_for:?}: {said}");
    }
    assert!(!world.data().exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_told_before_that_wait_and_ctrl_c_ends_it() {
    let world = World::new().await;
    let mut child = Process::new(env!("CARGO_BIN_EXE_expensewire"))
        .args(["doctor", "--config"])
        .arg(world.file())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("EXPENSEWIRE_SERVER")
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let waits = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    tokio::task::block_in_place(|| {
        let summary = lines.find(|line| line.contains(" checks: ")).expect("the checks");
        assert!(summary.contains(" 0 failed"), "{summary}");
        let mut waits = waits.filter(|line| line.starts_with("waiting 60 s"));
        assert!(waits.next().is_some() && child.try_wait().unwrap().is_none());
        assert!(Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
    });
}
