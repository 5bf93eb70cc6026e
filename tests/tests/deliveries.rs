//! Deliveries of a running dispatcher before independent readers: each format signed by `v1` and `v1a` goes to the official
//! Standard Webhooks libraries, to the CloudEvents SDKs and to raw ed25519 in Python and JavaScript. What was altered on
//! the way they refuse.
//!
//! Where the libraries are is told as in `signatures.rs`; what is missing is said in a line that begins with SKIP, and with
//! `STRICT=1` fails the test.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Write},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State};
use base64::{Engine, engine::general_purpose::STANDARD};
use event_model::{
    Subscription,
    subscription::{Ed25519Key, Format},
};
use event_store::Sealer;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tests::bench_delivery::stage::{self, SEALING_KEY, SECRET, Stage};
use tokio::{net::TcpListener, sync::watch, time::timeout};

/// RFC 8032, section 7.1, test 1: a seed and its public key.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
    0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PUBLIC_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72,
    0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];
const FORMATS: [Format; 3] = [Format::Standard, Format::CloudeventsStructured, Format::CloudeventsBinary];
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Delivery {
    what: String,
    good: bool,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    public_key: [u8; 32],
}

impl Delivery {
    fn altered(&self, what: &str, alter: impl FnOnce(&mut Self)) -> Self {
        let mut altered = Self { what: format!("{}: {what}", self.what), good: false, ..self.clone() };
        alter(&mut altered);
        altered
    }

    fn header(&mut self, name: &str) -> &mut String {
        self.headers.get_mut(name).expect("it came with it")
    }
}

#[derive(Clone, Default)]
struct Came(Arc<Mutex<BTreeMap<String, Delivery>>>, watch::Sender<usize>);

async fn take(
    State(Came(all, count)): State<Came>,
    axum::extract::Path(name): axum::extract::Path<String>,
    headers: HeaderMap,
    body: Bytes,
) {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().expect("text").to_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let delivery = Delivery { what: name.clone(), good: true, headers, body: body.to_vec(), public_key: PUBLIC_KEY };
    all.lock().expect("lock").insert(name, delivery);
    count.send_modify(|count| *count += 1);
}

/// One event in each format, as it came over the wire.
async fn delivered() -> Vec<Delivery> {
    let came = Came::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().route("/{name}", axum::routing::post(take)).with_state(came.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut stage = Stage::set().expect("a stage");
    let sealer = Sealer::new(SEALING_KEY);
    let subscriptions = FORMATS.into_iter().enumerate().map(|(n, format)| {
        let one = stage.subscription(n, &format!("http://{address}/{format:?}"), None).expect("a subscription");
        let sealed_seed = sealer.seal(&Subscription::ed25519_place(&one.id), &SEED).expect("sealed");
        let public_key = format!("whpk_{}", STANDARD.encode(PUBLIC_KEY));
        Subscription { format, ed25519_keys: vec![Ed25519Key { sealed_seed, public_key, until: None }], ..one }
    });
    stage.subscribe(subscriptions.collect()).await.expect("stored");
    stage.append(1, 1).await.expect("appended");
    stage.start(stage::config().expect("a configuration")).expect("started");
    let mut count = came.1.subscribe();
    let all = timeout(PATIENCE, count.wait_for(|count| *count == FORMATS.len())).await;
    all.expect("in time").expect("it receives");
    stage.stop().await.expect("stopped");
    let came = std::mem::take(&mut *came.0.lock().expect("lock"));
    came.into_values().collect()
}

fn altered_under_signature(delivery: &Delivery) -> Vec<Delivery> {
    vec![
        delivery.clone(),
        delivery.altered("one letter of the body", |one| {
            let at = one.body.len() / 2;
            one.body[at] ^= 1;
        }),
        delivery.altered("another id", |one| one.header("webhook-id").push('x')),
        delivery.altered("a later timestamp", |one| {
            let later = one.header("webhook-timestamp").parse::<i64>().expect("a number") + 1;
            *one.header("webhook-timestamp") = later.to_string();
        }),
        delivery.altered("no signature of its own", |one| {
            *one.header("webhook-signature") =
                format!("v1,{} v1a,{}", STANDARD.encode([0; 32]), STANDARD.encode([0; 64]));
        }),
    ]
}

fn altered_key(delivery: &Delivery) -> Delivery {
    // The key of RFC 8032, section 7.1, test 2.
    let other = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    delivery.altered("another key", |one| {
        for (index, byte) in one.public_key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&other[2 * index..2 * index + 2], 16).expect("hex");
        }
    })
}

fn altered_as_cloudevent(delivery: &Delivery) -> Vec<Delivery> {
    let cut = delivery.altered("cut in the midst", |one| one.body.truncate(one.body.len() / 2));
    let untyped = delivery.altered("no type", |one| {
        one.headers.remove("ce-type");
        let body = String::from_utf8(one.body.clone()).expect("text");
        one.body = body.replacen("\"type\":\"report.updated\",", "", 1).into_bytes();
    });
    vec![delivery.clone(), cut, untyped]
}

fn asked(deliveries: &[Delivery]) -> Value {
    let written = |one: &Delivery| {
        json!({
            "headers": one.headers, "body": STANDARD.encode(&one.body),
            "public_key": format!("whpk_{}", STANDARD.encode(one.public_key)),
        })
    };
    deliveries.iter().map(written).collect()
}

/// What each library of `program` says of the deliveries; `None` when there is no such program.
fn verdicts(program: &mut Command, input: &Value) -> Option<BTreeMap<String, Option<Vec<bool>>>> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    child.stdin.take().expect("piped").write_all(input.to_string().as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("verdicts as JSON"))
}

fn compare(language: &str, verdicts: Option<BTreeMap<String, Option<Vec<bool>>>>, asked: &[(&str, &[Delivery])]) {
    let Some(mut verdicts) = verdicts else { return skip(&format!("deliveries before {language}: it cannot be run")) };
    for (library, deliveries) in asked {
        let Some(accepted) = verdicts.remove(*library).expect("each library is answered for") else {
            skip(&format!("deliveries before {library} ({language}): it is not installed"));
            continue;
        };
        assert_eq!(accepted.len(), deliveries.len(), "{library} ({language})");
        for (one, accepted) in deliveries.iter().zip(&accepted) {
            assert_eq!(*accepted, one.good, "{library} ({language}) on {}", one.what);
        }
        let good = deliveries.iter().filter(|one| one.good).count();
        let told = format!("{library} ({language}): {good} accepted, {} altered refused", deliveries.len() - good);
        writeln!(io::stderr(), "{told}").expect("standard error is open");
    }
}

fn skip(what: &str) {
    assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    writeln!(io::stderr(), "SKIP {what}").expect("standard error is open");
}

fn python(script: &str) -> Command {
    let python = env::var("EXPENSEWIRE_INTEROP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop").join(script));
    command
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    if let Some(path) = env::var_os("EXPENSEWIRE_INTEROP_NODE_PATH") {
        command.env("NODE_PATH", path);
    }
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop").join(script));
    command
}

#[tokio::test]
async fn what_is_delivered_in_each_format_is_taken_by_others_and_what_was_altered_is_not() {
    let delivered = delivered().await;
    let signed: Vec<_> = delivered.iter().flat_map(altered_under_signature).collect();
    let raw: Vec<_> = signed.iter().cloned().chain(delivered.iter().map(altered_key)).collect();
    let events: Vec<_> =
        delivered.iter().filter(|one| one.what != "Standard").flat_map(altered_as_cloudevent).collect();
    assert_eq!((signed.len(), raw.len(), events.len()), (15, 18, 6));

    let input = json!({"cloudevents": asked(&events), "ed25519": asked(&raw)});
    let both: [(&str, &[Delivery]); 2] = [("cloudevents", &events), ("ed25519", &raw)];
    compare("Python", verdicts(&mut python("deliveries.py"), &input), &both);
    compare("JavaScript", verdicts(&mut node("deliveries.mjs"), &input), &both);

    // A receiver that knows v1 alone finds it beside the other.
    let secret = format!("whsec_{}", STANDARD.encode(SECRET));
    let written =
        |one: &Delivery| json!({"secret": secret, "headers": one.headers, "body": String::from_utf8_lossy(&one.body)});
    let input = json!({"messages": signed.iter().map(written).collect::<Vec<_>>()});
    let both: [(&str, &[Delivery]); 2] = [("standardwebhooks", &signed), ("svix", &signed)];
    compare("Python", verdicts(&mut python("verify.py"), &input), &both);
    compare("JavaScript", verdicts(&mut node("verify.mjs"), &input), &both);
    let rust = |one: &Delivery| {
        let webhook = standardwebhooks::Webhook::new(&secret).expect("a secret");
        let headers = one.headers.iter().filter(|(name, _)| name.starts_with("webhook-"));
        let headers = headers.map(|(name, value)| {
            let name: reqwest::header::HeaderName = name.parse().expect("a name");
            (name, value.parse().expect("a value"))
        });
        webhook.verify(&one.body, &headers.collect()).is_ok()
    };
    let rust = BTreeMap::from([("standardwebhooks".to_owned(), Some(signed.iter().map(rust).collect()))]);
    compare("Rust", Some(rust), &[("standardwebhooks", &signed)]);
}
