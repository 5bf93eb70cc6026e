//! `verify`: checks a delivery as a receiver does, and says which check fails.

use std::io::{self, Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use dispatcher::signature::{self, VerifyFailure};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    exit::{Exit, Failure},
    output::{Format, Output, plain},
};

/// Largest body: an event has some tens of kilobytes, a few megabytes at most.
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

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
}

/// A secret as typed. Its `Debug` form hides it.
#[derive(Clone, Debug)]
pub struct SecretText(SecretString);

/// Any text is taken: a refusal here would repeat it on the terminal.
impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

pub(super) fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let mut body = Vec::new();
    let cannot = |error| Failure::new(Exit::Unexpected, format!("cannot read the body from standard input: {error}"));
    io::stdin().lock().take(MAX_BODY_BYTES + 1).read_to_end(&mut body).map_err(cannot)?;
    if body.len() as u64 > MAX_BODY_BYTES {
        return Err(Failure::new(Exit::Usage, format!("the body has more than {MAX_BODY_BYTES} bytes")));
    }
    check(args, &body, Timestamp::now().as_second())?;
    Output::stdout(Some(Format::Table)).line(&format!("verified: {} bytes, id {}", body.len(), plain(&args.id)))?;
    Ok(Exit::Ok)
}

fn check(args: &VerifyArgs, body: &[u8], now_s: i64) -> Result<(), Failure> {
    let failed = |what: String| Failure::new(Exit::CheckFailed, what);
    let secret = signature::parse_secret(args.secret.0.expose_secret())
        .map_err(|error| failed(format!("the secret is malformed: {error}")).hint("it looks like whsec_ and base64"))?;
    malformed(&args.signature)
        .map_err(|what| failed(what).hint("it looks like v1,<base64>; several are separated by a space"))?;
    let verify =
        |tolerance_s| signature::verify(&secret, &args.id, &args.timestamp, &args.signature, body, now_s, tolerance_s);
    verify(args.tolerance.into()).map_err(|failure| {
        let clock = format!("{failure} ({} s)", args.tolerance);
        match failure {
            VerifyFailure::TooOld(_) | VerifyFailure::TooNew(_) if verify(i64::MAX).is_ok() => {
                failed(clock).hint("the signature itself is right: an old delivery, or a wrong clock; see --tolerance")
            }
            VerifyFailure::TooOld(_) | VerifyFailure::TooNew(_) => {
                failed(clock).hint("the signature is not right either: see the secret, and the body byte for byte")
            }
            VerifyFailure::Mismatch => failed(failure.to_string()).hint(
                "the body must be the bytes received, not parsed and written again; an editor's newline breaks it",
            ),
            VerifyFailure::Timestamp | VerifyFailure::NoSignature(_) => failed(failure.to_string()),
        }
    })
}

/// What no receiver would accept as the header, whatever the secret.
fn malformed(header: &str) -> Result<(), String> {
    for one in header.split(' ') {
        let Some((version, encoded)) = one.split_once(',') else {
            return Err(format!("the signature header is malformed: {:?} has no version", plain(one)));
        };
        if version == "v1" && STANDARD.decode(encoded).is_err() {
            return Err("the signature header is malformed: what follows v1, is not base64".to_owned());
        }
    }
    Ok(())
}
