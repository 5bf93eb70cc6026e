//! `expensewire listen`: what arrives at a program on this machine, and what is told and kept of it.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    command, message, page,
    receiver::Receiver,
    server::{self, Answer, Server},
};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A log that ends at 7 and then grows by the events of `stream`, given in one connection.
fn grows_by(stream: String) -> Answer {
    Box::new(move |request, _| match request.line.contains("/stream") {
        true => server::stream(&stream),
        false => page(1, 1, 7),
    })
}

/// Exit code, lines of standard output as JSON, standard error.
fn listen(server: &Server, url: &str, args: &[&str]) -> (i32, Vec<Value>, String) {
    let args = [&["listen", "--forward-to", url], args].concat();
    let output = command(server, &args).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap_or(-1), lines, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_event_arrives_as_it_was_signed_and_under_a_secret_of_the_run() {
    const SIGNED: &str = r#"{"id":"evt_8","sequence":8,"type":"report.approved","account":"acme","subject":"report/R1","amount":1.10,"name":"\u00e9"}"#;
    let server = Server::start(grows_by(format!("id: 8\ndata: {SIGNED}\n\n")));
    let receiver = Receiver::start(&[204]);
    let (code, lines, told) = listen(&server, &receiver.url, &["--print-secret", "--count", "1"]);
    assert_eq!(code, 0, "{told}");
    let delivery = receiver.next();
    assert_eq!(delivery.body, SIGNED.as_bytes(), "byte for byte");
    assert!(delivery.is_signed_by(lines[0]["secret"].as_str().unwrap()));
    assert!(!delivery.is_signed_by(SECRET));
    assert_eq!((delivery.header("webhook-id"), delivery.header("content-type")), ("evt_8", "application/json"));
    assert_eq!(delivery.header("user-agent"), concat!("expensewire/", env!("CARGO_PKG_VERSION")));
    assert_eq!(
        (&lines[1]["sequence"], &lines[1]["status"], &lines[1]["attempts"]),
        (&8.into(), &204.into(), &1.into())
    );
    assert!(server.requests().iter().all(|request| request.line.starts_with("GET ")), "nothing is registered");
}

#[test]
fn the_filter_and_the_position_are_the_services_and_a_broken_stream_is_resumed() {
    let answer: Answer = Box::new(|request, before| match (before, request.header("last-event-id").as_deref()) {
        (0, Some("7")) => {
            assert!(request.line.contains("type=report.*&account=acme"), "{}", request.line);
            server::stream(&(message(8) + &message(9)[..30]))
        }
        (1, Some("8")) => server::stream(&(message(9) + &message(10))),
        other => panic!("{other:?}"),
    });
    let (server, receiver) = (Server::start(answer), Receiver::start(&[200]));
    let args = ["--from", "7", "--type", "report.*", "--account", "acme", "--secret", SECRET, "--count", "3"];
    let (code, lines, told) = listen(&server, &receiver.url, &args);
    let sequences: Vec<u64> = lines.iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!((code, sequences), (0, vec![8, 9, 10]), "{told}");
    for _ in 0..3 {
        assert!(receiver.next().is_signed_by(SECRET));
    }
    assert!(receiver.is_empty(), "none comes twice");
}

#[test]
fn a_program_that_fails_is_asked_again_a_little_and_then_left_behind() {
    let server = Server::start(grows_by(message(8) + &message(9)));
    let receiver = Receiver::start(&[500, 502, 200, 500, 500, 500]);
    let (code, lines, told) = listen(&server, &receiver.url, &["--secret", SECRET, "--count", "2"]);
    assert_eq!(code, 6, "{told}");
    let of = |line: &Value| (line["sequence"].clone(), line["status"].clone(), line["attempts"].clone());
    assert_eq!(of(&lines[0]), (8.into(), 200.into(), 3.into()));
    assert_eq!(of(&lines[1]), (9.into(), 500.into(), 3.into()));
    assert!(told.contains("1 events were not taken"), "{told}");
}

#[test]
fn a_program_that_is_not_there_is_told_and_one_that_says_410_is_not_asked_again() {
    let server = Server::start(grows_by(message(8)));
    let receiver = Receiver::start(&[410]);
    let (code, lines, _) = listen(&server, &receiver.url, &["--secret", SECRET, "--count", "1"]);
    assert_eq!((code, &lines[0]["status"], &lines[0]["attempts"]), (6, &410.into(), &1.into()));

    let (code, lines, told) = listen(&server, "http://127.0.0.1:1/", &["--secret", SECRET, "--count", "1"]);
    assert_eq!((code, &lines[0]["status"], &lines[0]["error"]), (6, &Value::Null, &"refused".into()), "{told}");
}

#[test]
fn a_hint_says_how_to_verify_and_a_warning_where_others_can_read() {
    let server = Server::start(Box::new(|_, _| server::answer("401 X", "application/problem+json", "{}")));
    let (code, _, told) = listen(&server, "http://127.0.0.1:1/", &[]);
    assert!(code == 4 && told.contains("hint: --print-secret") && !told.contains("warning"), "{told}");
    let (_, _, told) = listen(&server, "http://10.1.2.3/", &[]);
    assert!(told.contains("warning: http://10.1.2.3/ is not this machine"), "{told}");
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
#[test]
fn what_is_saved_is_its_owners_alone_and_posts_itself_again_signed_anew() {
    let hostile = message(9).replace("report.approved", "../../x/report.approved");
    let server = Server::start(grows_by(message(8) + &hostile));
    let receiver = Receiver::start(&[200]);
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("kept");
    let args = ["--secret", SECRET, "--count", "2", "--save-dir", kept.to_str().unwrap()];
    let (code, _, told) = listen(&server, &receiver.url, &args);
    assert_eq!(code, 0, "{told}");
    let mut names: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let [eighth, ninth] = ["0000000008-report.approved-evt_8", "0000000009-xreport.approved-evt_9"];
    let expected = [eighth, ninth].map(|name| [format!("{name}.json"), format!("{name}.sh")]).concat();
    assert_eq!(names, expected.iter().map(std::ffi::OsString::from).collect::<Vec<_>>());
    assert_eq!(mode(&kept), 0o700);
    assert!(expected.iter().all(|name| mode(&kept.join(name)) == 0o600));
    let first = receiver.next();
    assert_eq!(fs::read(kept.join(format!("{eighth}.json"))).unwrap(), first.body);
    receiver.next();

    let script = kept.join(format!("{eighth}.sh"));
    let ran = std::process::Command::new("sh").arg(&script).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    if told.contains("not found") {
        return super::skip("the script of `listen --save-dir`: curl or openssl is missing");
    }
    assert!(ran.status.success(), "{told}");
    let again = receiver.next();
    assert!(again.is_signed_by(SECRET) && again.body == first.body && again.header("webhook-id") == "evt_8");
    assert_eq!(again.header("content-type"), "application/json");
}
