//! The program under test as a child process: its lines as they come, and a Ctrl-C for it.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A running program whose standard output is read line by line. Dropping it kills it.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts `program` with `arguments`.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let out = child.stdout.take().context("standard output")?;
        Ok(Self { child, lines: BufReader::new(out).lines() })
    }

    /// The next line that contains `wanted`.
    pub async fn line_with(&mut self, wanted: &str, limit: Duration) -> Result<String> {
        let found = timeout(limit, async {
            while let Some(line) = self.lines.next_line().await? {
                if line.contains(wanted) {
                    return Ok(line);
                }
            }
            Err(anyhow::anyhow!("the program's output ended"))
        });
        found.await.with_context(|| format!("no line with {wanted:?} within {limit:?}"))?
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        timeout(limit, self.child.wait()).await.with_context(|| format!("no end within {limit:?}"))?.context("waiting")
    }

    /// Kills it (-9) and waits until it is gone.
    pub async fn killed(mut self) -> Result<()> {
        self.child.kill().await.context("killing")
    }

    /// Ctrl-C, then the end.
    pub async fn interrupt(&mut self, limit: Duration) -> Result<ExitStatus> {
        let id = self.child.id().context("the program has ended already")?;
        let sent = Command::new("kill").args(["-INT", &id.to_string()]).status().await?;
        ensure!(sent.success(), "no signal could be sent");
        self.ended(limit).await
    }
}
