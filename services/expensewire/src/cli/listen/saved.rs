//! What was forwarded, as files: the body as JSON, and a script that posts it again.
//!
//! The script signs anew, because receivers refuse a timestamp that is some minutes old. So it holds the secret of the run,
//! and like the events it is readable by its owner alone. Names are made of a number, of letters that are known and of an
//! id whose letters were checked: nothing that a service says can leave the directory.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use dispatcher::single::Signed;
use event_model::secret::secret_text;
use url::Url;
use zeroize::Zeroizing;

use super::Head;
use crate::exit::{Exit, Failure};

/// Headers that the script makes anew, or that curl does.
const MADE_ANEW: [&str; 2] = ["webhook-timestamp", "webhook-signature"];

/// Writes files into one directory.
pub(super) struct Saver {
    directory: PathBuf,
    url: String,
    secret: Zeroizing<String>,
}

impl Saver {
    /// For the directory at `path`, which is made if it is not there.
    pub fn into(path: &Path, url: &Url, secret: &[u8]) -> Result<Self, Failure> {
        make(path).map_err(|error| cannot(path, &error))?;
        Ok(Self { directory: path.to_owned(), url: url.to_string(), secret: secret_text(secret) })
    }

    /// Writes what was sent of the event with this head.
    pub fn save(&self, head: &Head, sent: &Signed) -> Result<(), Failure> {
        let name = name(head);
        self.write(&format!("{name}.json"), &sent.body)?;
        self.write(&format!("{name}.sh"), self.script(&name, head, sent).as_bytes())
    }

    /// A file appears whole, under a name of its own, with mode 0600 from its first moment; a link of that name is
    /// replaced, not followed.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.directory.join(name);
        let written = tempfile::NamedTempFile::new_in(&self.directory).and_then(|mut file| {
            file.write_all(bytes)?;
            file.persist(&path).map_err(|error| error.error)
        });
        written.map(drop).map_err(|error| cannot(&path, &error))
    }

    fn script(&self, name: &str, head: &Head, sent: &Signed) -> Zeroizing<String> {
        let kept = sent.headers.iter().filter(|(name, _)| !MADE_ANEW.contains(&name.as_str()));
        let headers = kept.map(|(name, value)| {
            let line = format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
            format!("  -H {} \\\n", quoted(&line))
        });
        let (id, headers) = (head.id.as_str(), headers.collect::<String>());
        let (url, secret) = (quoted(&self.url), quoted(&self.secret));
        Zeroizing::new(format!(
            r#"#!/bin/sh
# Posts {name}.json again, signed anew: sh {name}.sh [URL]
# Holds a signing secret. Needs curl and openssl.
set -eu
body="$(dirname "$0")/{name}.json"
secret={secret}
url={url}
timestamp=$(date +%s)
key=$(printf '%s' "${{secret#whsec_}}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
signature=$({{ printf '%s.%s.' '{id}' "$timestamp"; cat "$body"; }} |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
exec curl -sS -i -X POST \
{headers}  -H "webhook-timestamp: $timestamp" \
  -H "webhook-signature: v1,$signature" \
  --data-binary "@$body" "${{1:-$url}}"
"#
        ))
    }
}

/// `0000001042-report.approved-evt_…`
fn name(head: &Head) -> String {
    let known = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
    let kind: String = head.event_type.chars().filter(known).take(60).collect();
    format!("{:010}-{}-{}", head.sequence, kind.trim_start_matches('.'), head.id)
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Unexpected, format!("{} cannot be written: {error}", path.display()))
        .hint("--save-dir names a directory of yours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(event_type: &str) -> Head {
        let id = "evt_7k2m".parse().unwrap();
        let (account, subject) = ("acme".to_owned(), "report/R1".to_owned());
        Head { id, sequence: 1042, event_type: event_type.to_owned(), account, subject }
    }

    #[test]
    fn a_name_stays_in_its_directory_whatever_a_service_says() {
        assert_eq!(name(&head("report.approved")), "0000001042-report.approved-evt_7k2m");
        assert_eq!(name(&head("../../etc/passwd\0; rm -rf ~")), "0000001042-etcpasswdrmrf-evt_7k2m");
    }

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
