//! `verify`: checks a delivery as a receiver does, and says which check fails.

mod diagnosis;

use std::io::{self, Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use dispatcher::signature::{self, VerifyFailure};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use serde_json::{json, value::RawValue};

use self::diagnosis::{Finding, Message};
use super::client::{Client, Connection};
use crate::{
    exit::{Exit, Failure},
    output::{Format, plain},
};

/// Largest body: an event has some tens of kilobytes, a few megabytes at most.
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// From here on a number of seconds is one of milliseconds: as seconds it is of the year 5138.
const MILLISECONDS: i64 = 100_000_000_000;
/// Bytes of HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

/// `verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The subscription's signing secret, whsec_…
    #[arg(long, env = "EXPENSEWIRE_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub secret: SecretText,
    /// The header webhook-id
    #[arg(long, value_name = "ID")]
    pub id: String,
    /// The header webhook-timestamp, seconds since 1970
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub timestamp: String,
    /// The header webhook-signature
    #[arg(long, value_name = "SIGNATURES")]
    pub signature: String,
    /// Seconds that the timestamp may be away from now
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub tolerance: u32,
    /// When no signature fits, ask the service for the event: so a wrong secret is told from another body
    #[arg(long)]
    pub compare: bool,
}

/// A secret as typed. Its `Debug` form hides it.
#[derive(Clone, Debug)]
pub struct SecretText(SecretString);

impl ExposeSecret<str> for SecretText {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Any text is taken: a refusal here would repeat it on the terminal.
impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

pub(super) async fn run(connection: &Connection, args: &VerifyArgs) -> Result<Exit, Failure> {
    let mut body = Vec::new();
    let cannot = |error| Failure::new(Exit::Unexpected, format!("cannot read the body from standard input: {error}"));
    io::stdin().lock().take(MAX_BODY_BYTES + 1).read_to_end(&mut body).map_err(cannot)?;
    if body.len() as u64 > MAX_BODY_BYTES {
        return Err(Failure::new(Exit::Usage, format!("the body has more than {MAX_BODY_BYTES} bytes")));
    }
    let secret = signature::parse_secret(args.secret.expose_secret())
        .map_err(|error| failed(format!("the secret is malformed: {error}")).hint("it looks like whsec_ and base64"))?;
    match check(args, &secret, &body, Timestamp::now().as_second()) {
        Ok(()) => {}
        Err(Refused::Certain(failure)) => return Err(failure),
        Err(Refused::Mismatch) => {
            let logged = if args.compare { Some(logged(connection, &args.id).await?) } else { None };
            return Err(explained(args, &secret, &body, logged.as_deref()));
        }
    }
    let mut output = connection.output();
    match output.format() {
        Format::Table => output.line(&format!("verified: {} bytes, id {}", body.len(), plain(&args.id)))?,
        Format::Json | Format::Ndjson => {
            output.item(&json!({ "verified": true, "id": args.id, "bytes": body.len() }))?;
        }
    }
    Ok(Exit::Ok)
}

fn failed(what: impl Into<String>) -> Failure {
    Failure::new(Exit::CheckFailed, what)
}

/// Why a message is refused.
enum Refused {
    /// This check fails.
    Certain(Failure),
    /// No signature fits.
    Mismatch,
}

fn check(args: &VerifyArgs, secret: &[u8], body: &[u8], now_s: i64) -> Result<(), Refused> {
    malformed(&args.signature).map_err(|what| {
        Refused::Certain(failed(what).hint("it looks like v1,<base64>; several are separated by a space"))
    })?;
    let verify =
        |tolerance_s| signature::verify(secret, &args.id, &args.timestamp, &args.signature, body, now_s, tolerance_s);
    let certain = |failure: Failure| Err(Refused::Certain(failure));
    match verify(args.tolerance.into()) {
        Ok(()) => Ok(()),
        Err(VerifyFailure::Mismatch) => Err(Refused::Mismatch),
        Err(failure @ (VerifyFailure::TooOld(_) | VerifyFailure::TooNew(_))) => {
            let what = failed(format!("{failure} ({} s)", args.tolerance));
            certain(if args.timestamp.parse().is_ok_and(|seconds: i64| seconds.abs() >= MILLISECONDS) {
                what.hint("it looks like milliseconds; webhook-timestamp has seconds")
            } else if verify(i64::MAX).is_ok() {
                what.hint("the signature itself is right: an old delivery, or a wrong clock; see --tolerance")
            } else {
                what.hint("the signature is not right either: see the secret, and the body byte for byte")
            })
        }
        Err(failure @ (VerifyFailure::Timestamp | VerifyFailure::NoSignature(_))) => {
            certain(failed(failure.to_string()))
        }
    }
}

/// The event as the service has it, byte for byte as it was signed.
async fn logged(connection: &Connection, id: &str) -> Result<Vec<u8>, Failure> {
    let event: Box<RawValue> = Client::new(connection)?.get(&["events", id], &[]).await.map_err(|failure| {
        let why = "no signature fits, and the event cannot be had to compare";
        let hint = "a sample (evt_test…) is not in the log; a CloudEvent's body is another than the event's";
        Failure { what: format!("{why}: {}", failure.what), ..failure }.hint(hint)
    })?;
    Ok(event.get().as_bytes().to_vec())
}

fn explained(args: &VerifyArgs, secret: &[u8], body: &[u8], logged: Option<&[u8]>) -> Failure {
    let fits = |one: &Message<'_>| {
        signature::verify(secret, one.id, &args.timestamp, &args.signature, one.body, 0, i64::MAX).is_ok()
    };
    match diagnosis::find(&Message { id: &args.id, body }, logged, fits) {
        Finding::BodyAltered(done) => failed(format!("the body was altered: {done}; the secret is right"))
            .hint("sign and verify the bytes received, before anything parses them"),
        Finding::IdAltered(id) => {
            failed(format!("webhook-id is of another message: the signature fits {}, the id in the body", plain(&id)))
                .hint("take the three headers and the body of one and the same request")
        }
        Finding::OtherBody => failed("the signature is of another body; the secret is right")
            .hint("`expensewire events show` has the body that was signed"),
        Finding::WrongSecret => {
            failed("another secret, or an altered timestamp: the body is the event's, byte for byte")
                .hint("compare the secret with that of the subscription; after a rotation there is a new one")
        }
        Finding::Both => failed("the body is not the event's, and the signature does not fit the event either")
            .hint("see the secret first, then the body"),
        Finding::Unknown => failed(VerifyFailure::Mismatch.to_string()).hint(
            "the body must be the bytes received, not parsed and written again; --compare asks the service which it is",
        ),
    }
}

/// What no receiver would accept as the header, whatever the secret.
fn malformed(header: &str) -> Result<(), String> {
    for one in header.split(' ') {
        let Some((version, encoded)) = one.split_once(',') else {
            return Err(format!("the signature header is malformed: {:?} has no version", plain(one)));
        };
        if version != "v1" {
            continue;
        }
        match STANDARD.decode(encoded) {
            Ok(bytes) if bytes.len() == SIGNATURE_BYTES => {}
            Ok(bytes) => {
                let hex = encoded.bytes().all(|byte| byte.is_ascii_hexdigit());
                let hint = if hex { "; it looks like hexadecimal, and must be base64" } else { "" };
                return Err(format!(
                    "the signature header is malformed: {} bytes, not {SIGNATURE_BYTES}{hint}",
                    bytes.len()
                ));
            }
            Err(_) => return Err("the signature header is malformed: what follows v1, is not base64".to_owned()),
        }
    }
    Ok(())
}
