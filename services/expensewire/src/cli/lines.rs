//! An answer that comes in lines of JSON, read as it comes.

use std::fmt;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    exit::{Exit, Failure},
    output::plain,
};

/// Longest line: an event of the largest size that a store takes, with room.
const MAX_LINE_BYTES: usize = 80 * 1024 * 1024;

/// The lines of one answer.
pub(super) struct Lines {
    answer: Response,
    read: BytesMut,
    /// Of what was read, so much has no end of a line.
    looked_at: usize,
}

impl Lines {
    pub fn of(answer: Response) -> Self {
        Self { answer, read: BytesMut::new(), looked_at: 0 }
    }

    /// The next whole line, without its end; `None` when no other comes. What comes after the last end of a line was cut
    /// short, and is not given.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(end) = self.read[self.looked_at..].iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(self.looked_at + end + 1).freeze();
                self.looked_at = 0;
                return Ok(Some(line.slice(..line.len() - 1)));
            }
            self.looked_at = self.read.len();
            if self.looked_at > MAX_LINE_BYTES {
                return Err(Failure::new(Exit::Unexpected, "the answer has a line without end"));
            }
            match self.answer.chunk().await {
                Ok(Some(chunk)) => self.read.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => return Err(Failure::new(Exit::Unreachable, format!("the answer broke off: {error}"))),
            }
        }
    }

    /// What the work came to that the answer tells of; `moved` is told how far it is.
    pub async fn result(&mut self, moved: impl FnMut(&Progress)) -> Result<Value, Failure> {
        self.outcome(moved).await?.map_err(|trouble| trouble.failure())
    }

    /// The same, with what the service found in its way apart from what went wrong on the way there.
    pub async fn outcome(&mut self, mut moved: impl FnMut(&Progress)) -> Result<Result<Value, Trouble>, Failure> {
        while let Some(line) = self.next().await? {
            let told: Told = serde_json::from_slice(&line)
                .map_err(|_| Failure::new(Exit::Unexpected, "the answer has a line that is not understood"))?;
            match told {
                Told::Progress(progress) => moved(&progress),
                Told::Result(value) => return Ok(Ok(value)),
                Told::Problem(trouble) => return Ok(Err(trouble)),
            }
        }
        Err(Failure::new(Exit::Unreachable, "the service ended its answer before the work was done"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Told {
    Progress(Progress),
    Result(Value),
    Problem(Trouble),
}

/// How far the work is.
#[derive(Deserialize)]
pub(super) struct Progress {
    pub sequence: u64,
    pub last: u64,
}

/// Why work ended without a result.
#[derive(Deserialize)]
pub(super) struct Trouble {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(default)]
    detail: String,
    /// Of the first event that is not what was written, when that is it.
    pub sequence: Option<u64>,
}

impl Trouble {
    pub fn failure(&self) -> Failure {
        Failure::new(if self.is_damage() { Exit::CheckFailed } else { Exit::Unexpected }, self.to_string())
    }

    /// Whether what was written is not what is there.
    pub fn is_damage(&self) -> bool {
        self.kind == "/problems/damaged"
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&format!("{}: {}", self.title, self.detail)))
    }
}
