//! When a person or a supervisor wants the process to end.

use anyhow::{Context, Result};

/// Completes at SIGINT (Ctrl-C) or SIGTERM. A second one ends the process at once: whoever asks twice means it.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_asked() -> Result<impl Future<Output = ()>> {
    let mut asked = listen()?;
    Ok(async move {
        asked.recv().await;
        tokio::spawn(async move {
            asked.recv().await;
            std::process::exit(130);
        });
    })
}

#[cfg(unix)]
fn listen() -> Result<Signals> {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt()).context("a handler for SIGINT")?;
    let terminate = signal(SignalKind::terminate()).context("a handler for SIGTERM")?;
    Ok(Signals { interrupt, terminate })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
fn listen() -> Result<Signals> {
    Ok(Signals)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    async fn recv(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
