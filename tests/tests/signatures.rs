//! Our signatures before the official verifiers: what we sign they accept, what was altered they refuse. The Rust
//! library is always asked; the Python and JavaScript ones where they are installed.
//!
//! `EXPENSEWIRE_INTEROP_PYTHON` names the Python to run (of a virtual environment, say), `EXPENSEWIRE_INTEROP_NODE_PATH` a
//! `node_modules` directory. What is missing is said in a line that begins with SKIP; with `STRICT=1` it fails the test.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Write},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use dispatcher::signature::{parse_secret, sign, verify};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};
use serde::Serialize;
use serde_json::json;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "evt_6xbov5pjraxgcsiektuhji63mu";
const BODY: &str =
    r#"{"type":"report.approved","data":{"object":{"title":"Zoë’s \"lunch\" 🧾 \u0000 </script>","total":-1}}}"#;
/// How old or new a message may be: all verifiers agree on five minutes.
const TOLERANCE_S: i64 = 300;

#[derive(Clone, Serialize)]
struct Message {
    #[serde(skip)]
    what: String,
    #[serde(skip)]
    good: bool,
    secret: String,
    headers: BTreeMap<&'static str, String>,
    body: String,
}

impl Message {
    /// A message as the dispatcher sends it, signed under each of `secrets`, `age_s` seconds ago.
    fn signed(what: &str, secrets: &[&str], body: &str, age_s: i64) -> Self {
        let sent_s = Timestamp::now().as_second() - age_s;
        let one = |secret: &&str| sign(&parse_secret(secret).expect("secret"), ID, sent_s, body.as_bytes());
        let headers = BTreeMap::from([
            ("webhook-id", ID.to_owned()),
            ("webhook-timestamp", sent_s.to_string()),
            ("webhook-signature", secrets.iter().map(one).collect::<Vec<_>>().join(" ")),
        ]);
        Self { what: what.to_owned(), good: true, secret: SECRET.to_owned(), headers, body: body.to_owned() }
    }

    fn bad(self) -> Self {
        Self { good: false, ..self }
    }

    /// The good message with one thing altered.
    fn altered(what: &str, alter: impl FnOnce(&mut Self)) -> Self {
        let mut message = Self::signed(what, &[SECRET], BODY, 0).bad();
        alter(&mut message);
        message
    }

    fn header(&mut self, name: &str) -> &mut String {
        self.headers.get_mut(name).expect("a header of ours")
    }
}

fn good_messages() -> Vec<Message> {
    let long = format!(r#"{{"text":"{}"}}"#, "é".repeat(100_000));
    vec![
        Message::signed("as the dispatcher sends it", &[SECRET], BODY, 0),
        Message::signed("an empty object", &[SECRET], "{}", 0),
        Message::signed("a long body", &[SECRET], &long, 0),
        Message::signed("rotation, our secret first", &[SECRET, OTHER_SECRET], BODY, 0),
        Message::signed("rotation, our secret last", &[OTHER_SECRET, SECRET], BODY, 0),
        Message::signed("four minutes old", &[SECRET], BODY, 240),
    ]
}

fn bad_messages() -> Vec<Message> {
    let none = STANDARD.encode([0; 32]);
    vec![
        Message::altered("one letter of the body", |m| m.body = m.body.replace("approved", "approveD")),
        Message::altered("a space after the body", |m| m.body.push(' ')),
        Message::altered("no body", |m| m.body.clear()),
        Message::altered("another id", |m| m.header("webhook-id").push('x')),
        Message::altered("a later timestamp", |m| {
            let later = m.header("webhook-timestamp").parse::<i64>().expect("number") + 1;
            *m.header("webhook-timestamp") = later.to_string();
        }),
        Message::altered("no timestamp", |m| m.header("webhook-timestamp").clear()),
        Message::altered("a signature of zeros", |m| *m.header("webhook-signature") = format!("v1,{none}")),
        // Whole groups of base64: the Python library fails by another error on anything else.
        Message::altered("the first twelve bytes of a signature", |m| m.header("webhook-signature").truncate(19)),
        Message::altered("a scheme nobody knows", |m| {
            let renamed = m.header("webhook-signature").replace("v1,", "v9,");
            *m.header("webhook-signature") = renamed;
        }),
        Message::altered("no signature", |m| m.header("webhook-signature").clear()),
        Message::signed("another secret", &[OTHER_SECRET], BODY, 0).bad(),
        Message::signed("ten minutes old", &[SECRET], BODY, 600).bad(),
        Message::signed("ten minutes ahead", &[SECRET], BODY, -600).bad(),
    ]
}

fn messages() -> Vec<Message> {
    good_messages().into_iter().chain(bad_messages()).collect()
}

fn compare(verifier: &str, messages: &[Message], accepted: &[bool]) {
    assert_eq!(accepted.len(), messages.len(), "{verifier} answers for each message");
    for (message, accepted) in messages.iter().zip(accepted) {
        assert_eq!(*accepted, message.good, "{verifier} on: {}", message.what);
    }
}

#[test]
fn our_own_verifier_and_the_rust_library_accept_what_we_sign_and_refuse_what_was_altered() {
    let messages = messages();
    let ours = |m: &Message| {
        let secret = parse_secret(&m.secret).expect("secret");
        let [id, signature, timestamp] =
            ["webhook-id", "webhook-signature", "webhook-timestamp"].map(|n| &m.headers[n]);
        verify(&secret, id, timestamp, signature, m.body.as_bytes(), Timestamp::now().as_second(), TOLERANCE_S).is_ok()
    };
    compare("dispatcher::signature", &messages, &messages.iter().map(ours).collect::<Vec<_>>());

    let rust = |m: &Message| {
        let header =
            |(name, value): (&&'static str, &String)| (HeaderName::from_static(name), value.parse().expect("a header"));
        let headers: HeaderMap = m.headers.iter().map(header).collect();
        let webhook = standardwebhooks::Webhook::new(&m.secret).expect("secret");
        webhook.verify(m.body.as_bytes(), &headers).is_ok()
    };
    compare("standardwebhooks (Rust)", &messages, &messages.iter().map(rust).collect::<Vec<_>>());
}

#[test]
fn the_python_libraries_agree() {
    let python = env::var("EXPENSEWIRE_INTEROP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    agree("Python", Command::new(python).arg(script("verify.py")));
}

#[test]
fn the_javascript_libraries_agree() {
    let mut node = Command::new("node");
    if let Some(path) = env::var_os("EXPENSEWIRE_INTEROP_NODE_PATH") {
        node.env("NODE_PATH", path);
    }
    agree("JavaScript", node.arg(script("verify.mjs")));
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop").join(name)
}

/// Gives the messages to `program` and compares each library's verdicts with ours.
fn agree(language: &str, program: &mut Command) {
    let messages = messages();
    let Some(output) = run(program, &json!({ "messages": messages }).to_string()) else {
        return skip(&format!("signatures before the {language} libraries: {program:?} cannot be run"));
    };
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    let verdicts: BTreeMap<String, Option<Vec<bool>>> =
        serde_json::from_slice(&output.stdout).expect("verdicts as JSON");
    assert_eq!(verdicts.keys().collect::<Vec<_>>(), ["standardwebhooks", "svix"]);
    for (library, accepted) in verdicts {
        match accepted {
            Some(accepted) => compare(&format!("{library} ({language})"), &messages, &accepted),
            None => skip(&format!("signatures before {library} ({language}): it is not installed")),
        }
    }
}

/// Runs `program` with `input`; `None` when there is no such program.
fn run(program: &mut Command, input: &str) -> Option<Output> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads its input");
    Some(child.wait_with_output().expect("its output"))
}

/// Says loudly, past the capture of the test runner, what was not tested; fails where nothing may be skipped.
fn skip(what: &str) {
    assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    writeln!(io::stderr(), "SKIP {what}").expect("standard error is open");
}
