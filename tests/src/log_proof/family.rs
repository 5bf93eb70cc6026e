//! The parent's side of the children: starting them, hearing what they say, ending them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use event_store::DurabilityLevel;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{self, ChildStdout, Command},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

use super::{
    check::Found,
    child::{Said, Work},
};

/// How long a store may take to open and to be read whole: seconds, but for a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);

/// How children are started: this program, and how many stories they tell.
#[derive(Clone, Debug)]
pub struct Family {
    /// The program `log_proof`.
    pub program: PathBuf,
    /// Stories that are told at once.
    pub writers: u16,
    /// What the children's stores promise.
    pub durability: DurabilityLevel,
}

/// What a store can be held to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Events of each story.
    pub told: Vec<u64>,
    /// The number in the table.
    pub counted: u64,
    /// Where retention had moved the horizon.
    pub horizon: u64,
    /// Backups that were finished.
    pub backups: u64,
    /// The store is open.
    pub open: bool,
    /// Retention is under way.
    pub retaining: bool,
    /// A backup is under way.
    pub backing_up: bool,
}

impl Claims {
    fn add(&mut self, said: Said) {
        match said {
            Said::Open => self.open = true,
            Said::Told { story, events } => self.told[story] = events,
            Said::Counted(counted) => self.counted = counted,
            Said::Retaining => self.retaining = true,
            Said::Retained(horizon) => (self.retaining, self.horizon) = (false, self.horizon.max(horizon)),
            Said::BackingUp => self.backing_up = true,
            Said::BackedUp(_) => (self.backing_up, self.backups) = (false, self.backups + 1),
        }
    }
}

/// A child at work. Dropping it kills it.
pub struct AtWork {
    process: process::Child,
    heard: Arc<Heard>,
    hearing: JoinHandle<()>,
}

#[derive(Default)]
struct Heard {
    claims: Mutex<Claims>,
    more: Notify,
}

impl Heard {
    fn claims(&self) -> Claims {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Family {
    /// Starts a child on the store at `path`, of which `claims` are known, and waits until that is open.
    pub async fn start(&self, path: &Path, work: Work, claims: &Claims) -> Result<AtWork> {
        let work = match work {
            Work::Append => "append",
            Work::Everything => "everything",
        };
        let mut process = self
            .command("work", path)
            .args(["--work", work])
            .args((self.durability == DurabilityLevel::ProcessCrash).then_some("--process-crash"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = process.stdout.take().context("standard output")?;
        let before = Claims { open: false, retaining: false, backing_up: false, ..claims.clone() };
        let told = if before.told.is_empty() { vec![0; self.writers.into()] } else { before.told };
        let heard = Arc::new(Heard { claims: Mutex::new(Claims { told, ..before }), more: Notify::new() });
        let hearing = tokio::spawn(hear(out, Arc::clone(&heard)));
        let mut child = AtWork { process, heard, hearing };
        match timeout(LIMIT, child.until_open()).await {
            Ok(opened) => opened.map(|()| child),
            Err(_) => bail!("the store does not open within {LIMIT:?}"),
        }
    }

    /// What a child finds in the store at `path`: what is told and counted, or why it is not whole.
    pub async fn look(&self, path: &Path) -> Result<(Found, u64)> {
        let looked = self.command("look", path).kill_on_drop(true).output();
        let output = timeout(LIMIT, looked).await.context("the store cannot be read in time")??;
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn command(&self, role: &str, path: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(role).args(["--writers", &self.writers.to_string(), "--store"]).arg(path).stdin(Stdio::null());
        command
    }
}

impl AtWork {
    async fn until_open(&mut self) -> Result<()> {
        while !self.heard.claims().open {
            tokio::select! {
                () = self.heard.more.notified() => {}
                ended = self.process.wait() => bail!("the child did not start: {}", ended?),
            }
        }
        Ok(())
    }

    /// What it has said so far.
    pub fn claims(&self) -> Claims {
        self.heard.claims()
    }

    /// Kills it (-9). What it said to the last, and whether it was at work until then.
    pub async fn kill(mut self) -> Result<(Claims, bool)> {
        let worked = self.process.try_wait()?.is_none();
        self.process.kill().await?;
        (&mut self.hearing).await?;
        Ok((self.heard.claims(), worked))
    }
}

async fn hear(out: ChildStdout, heard: Arc<Heard>) {
    let mut lines = BufReader::new(out).lines();
    // A line that is cut off is said by nobody.
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(said) = serde_json::from_str(&line) {
            heard.claims.lock().unwrap_or_else(PoisonError::into_inner).add(said);
            heard.more.notify_waiters();
            heard.more.notify_one();
        }
    }
}
