//! `subscriptions rotate-secret`.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::{Value, json};

use super::{super::client::Client, PATH};
use crate::{
    exit::{Exit, Failure},
    output::Output,
};

/// A secret's text has at most 95 bytes; more is some other file.
const MAX_SECRET_FILE_BYTES: u64 = 1024;

/// `subscriptions rotate-secret`.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// Its id (sub_…)
    pub id: String,
    /// How long the old one signs beside the new one, as in 24h or 7d; 0s ends it at once
    #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = overlap)]
    pub overlap: SignedDuration,
    /// Sign by this secret (whsec_…) instead of a new one; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "ed25519")]
    pub secret_file: Option<PathBuf>,
    /// Change the ed25519 key (v1a), not the secret
    #[arg(long)]
    pub ed25519: bool,
}

impl RotateArgs {
    fn body(&self) -> Result<Value, Failure> {
        Ok(json!({
            "overlap_s": self.overlap.as_secs(),
            "scheme": if self.ed25519 { "v1a" } else { "v1" },
            "secret": self.secret_file.as_deref().map(secret_from).transpose()?,
        }))
    }
}

pub(super) async fn run(client: &Client, args: &RotateArgs, output: &mut Output) -> Result<(), Failure> {
    let rotated = client.post(&[PATH, &args.id, "rotate-secret"], Some(&args.body()?)).await?;
    output.item(&rotated)?;
    if rotated.get("secret").is_some() {
        eprintln!("hint: the secret is shown this once; deliveries carry signatures by both until overlap_until");
    }
    Ok(())
}

/// The text in the file at `path`, without the newline that editors add. It is no argument, which others could see.
pub(super) fn secret_from(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_SECRET_FILE_BYTES).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_SECRET_FILE_BYTES).read_to_string(&mut text))
    };
    // The cause tells of the file, never of what is in it.
    read.map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot read the secret from {}: {error}", path.display()))
    })?;
    Ok(text.trim().to_owned())
}

fn overlap(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_| "must be a duration like 24h or 7d".to_owned())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    match duration {
        Ok(duration) if !duration.is_negative() => Ok(duration),
        Ok(_) | Err(_) => Err("must be a duration like 24h or 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RotateArgs,
    }

    fn body(words: &[&str]) -> Result<Value, String> {
        let line = Line::try_parse_from([&["x"], words].concat()).map_err(|error| error.to_string())?;
        line.args.body().map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_is_typed_becomes_the_body_of_a_rotation() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "whsec_abc\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(body(&["sub_1"]).unwrap(), json!({"overlap_s": 86_400, "scheme": "v1", "secret": null}));
        let imported = body(&["sub_1", "--overlap", "7d", "--secret-file", path]).unwrap();
        assert_eq!(imported, json!({"overlap_s": 604_800, "scheme": "v1", "secret": "whsec_abc"}));
        let key = body(&["sub_1", "--overlap", "0s", "--ed25519"]).unwrap();
        assert_eq!(key, json!({"overlap_s": 0, "scheme": "v1a", "secret": null}));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for words in [
            &["sub_1", "--overlap", "soon"][..],
            &["sub_1", "--overlap", "-1h"],
            &["sub_1", "--secret-file", "/nowhere/at/all"],
            &["sub_1", "--secret-file", "-", "--ed25519"],
            &[],
        ] {
            assert!(body(words).is_err(), "{words:?}");
        }
    }
}
