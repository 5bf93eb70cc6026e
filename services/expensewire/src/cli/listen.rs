//! `listen`: events to a program on this machine, signed as the service signs them, without registering anything there.
//!
//! The stream is followed as `events tail` does; each event is posted by the code that makes deliveries
//! (`dispatcher::single`) under a secret of this run. One event is under way at a time, in the order of the log, and what
//! the program does not take after a few tries is told and left behind: here a person is waiting, and nothing is lost.

mod forward;
mod saved;

use std::path::PathBuf;

use clap::Args;
use event_model::{EventId, secret::secret_text, subscription::Format as Form};
use jiff::Timestamp;
use rand::{TryRng, rngs::SysRng};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};
use zeroize::Zeroizing;

use self::{
    forward::{Ended, Forwarder},
    saved::Saver,
};
use super::{
    client::{Client, Connection},
    events::FilterArgs,
    follow::{Start, Taker, follow},
    verify::SecretText,
};
use crate::{
    exit::{Exit, Failure},
    output::{Format, Output, cell, plain},
};

/// Bytes of a secret made here: as many as the service gives a subscription.
const SECRET_BYTES: usize = 32;

/// `listen`.
#[derive(Args, Debug)]
pub struct ListenArgs {
    /// Where events are posted: a program of yours, as in http://127.0.0.1:3000/hook
    #[arg(long, value_name = "URL")]
    pub forward_to: Url,
    /// Print the signing secret first
    #[arg(long)]
    pub print_secret: bool,
    /// Sign by this secret (whsec_…) instead of one of this run
    #[arg(long, env = "EXPENSEWIRE_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub secret: Option<SecretText>,
    /// Write each event, and a script that posts it again, into this directory
    #[arg(long, value_name = "DIR")]
    pub save_dir: Option<PathBuf>,
    /// The form of a delivery
    #[arg(long, default_value = "standard", value_parser = form)]
    pub format: Form,
    /// Begin after this sequence; without this and --since: from now on
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,
    /// Stop after so many events; exit 6 if one of them was not taken
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterArgs,
}

fn form(text: &str) -> Result<Form, String> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| "must be standard, cloudevents-structured or cloudevents-binary".to_owned())
}

pub(super) async fn run(connection: &Connection, args: &ListenArgs) -> Result<Exit, Failure> {
    warn_of(&args.forward_to);
    let client = Client::new(connection)?;
    let mut output = connection.output();
    let secret = secret(args)?;
    if args.print_secret {
        show(&secret, &mut output)?;
    } else if args.secret.is_none() {
        eprintln!("hint: --print-secret shows what deliveries are signed by; --secret takes one that your program has");
    }
    let saver = args.save_dir.as_deref().map(|directory| Saver::into(directory, &args.forward_to, &secret));
    let mut listener = Listener {
        forwarder: Forwarder::new(args.forward_to.clone(), secret, args.format)?,
        saver: saver.transpose()?,
        output,
        left: args.count,
        refused: 0,
    };
    eprintln!("events go to {}; Ctrl-C ends it", plain(args.forward_to.as_str()));
    let filter = args.filter.query(Timestamp::now());
    let start = Start::of(args.from, args.filter.has_since());
    let ended = tokio::select! {
        ended = follow(&client, start, &filter, &mut listener) => ended?,
        _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
    };
    match listener.refused {
        0 => Ok(ended),
        refused => Err(Failure::new(Exit::CheckFailed, format!("{refused} events were not taken"))),
    }
}

/// Events are a company's finances: they go over a network only where somebody means them to.
fn warn_of(url: &Url) {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !here {
        eprintln!("warning: {} is not this machine, and http is read by everybody on the way", plain(url.as_str()));
    }
}

/// The raw bytes of the secret that is given, or of a new one.
fn secret(args: &ListenArgs) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(given) = &args.secret {
        return event_model::secret::parse_secret(given.expose_secret())
            .map_err(|error| Failure::new(Exit::Usage, format!("the secret is malformed: {error}")));
    }
    let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES]);
    let refused = |error| Failure::new(Exit::Unexpected, format!("the system gives no random bytes: {error}"));
    SysRng.try_fill_bytes(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

fn show(secret: &[u8], output: &mut Output) -> Result<(), Failure> {
    let text = secret_text(secret);
    match output.format() {
        Format::Table => output.line(&format!("secret  {}", *text))?,
        Format::Json | Format::Ndjson => output.line(&json!({ "secret": *text }).to_string())?,
    }
    Ok(())
}

/// What of an event is looked at. Its type is text: a newer service may know types that this program does not.
#[derive(Deserialize)]
struct Head {
    id: EventId,
    sequence: u64,
    #[serde(rename = "type")]
    event_type: String,
    account: String,
    subject: String,
}

/// Posts what it takes.
struct Listener {
    forwarder: Forwarder,
    saver: Option<Saver>,
    output: Output,
    left: Option<u64>,
    /// Events that the program did not take.
    refused: u64,
}

impl Taker for Listener {
    async fn take(&mut self, event: &str) -> Result<bool, Failure> {
        let head: Head = serde_json::from_str(event)
            .map_err(|_| Failure::new(Exit::Unexpected, "the stream holds something that is not an event"))?;
        let ended = self.forwarder.forward(event, &head.id).await?;
        if let Some(saver) = &self.saver {
            saver.save(&head, &ended.sent)?;
        }
        self.refused += u64::from(!ended.taken());
        self.tell(&head, &ended)?;
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(self.left != Some(0))
    }
}

impl Listener {
    /// One line per event. Its columns are of fixed width: what comes next is not known.
    fn tell(&mut self, head: &Head, ended: &Ended) -> Result<(), Failure> {
        let took_ms = u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX);
        let told = json!({
            "sequence": head.sequence, "id": head.id, "type": head.event_type, "account": head.account,
            "subject": head.subject, "status": ended.status, "error": ended.error, "attempts": ended.attempts,
            "duration_ms": took_ms,
        });
        if self.output.format() != Format::Table {
            return Ok(self.output.line(&told.to_string())?);
        }
        let (kind, subject) = (plain(&head.event_type), plain(&head.subject));
        let status = ended.status.map_or_else(|| cell(&told["error"]), |status| status.to_string());
        let tries = if ended.attempts > 1 { format!("  after {} attempts", ended.attempts) } else { String::new() };
        let line = format!("{:>8}  {kind:<30}  {subject:<28}  {status}  {took_ms} ms{tries}", head.sequence);
        Ok(self.output.line(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_those_of_a_subscription() {
        for name in ["standard", "cloudevents-structured", "cloudevents-binary"] {
            assert!(form(name).is_ok(), "{name}");
        }
        assert!(form("avro").is_err());
    }
}
