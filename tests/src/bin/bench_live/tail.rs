//! Follows the stream of events and notes when each arrived.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use reqwest::Response;
use serde_json::Value;
use tokio::task::JoinHandle;

/// An event, and when it was to be seen in the log.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// On this machine's clock, as the simulator's journal is.
    pub at: Timestamp,
    /// The event.
    pub event: Value,
}

/// What came so far. Dropping it ends the following.
pub struct Tail {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    task: JoinHandle<()>,
}

impl Tail {
    /// Follows until the stream ends.
    pub fn follow(mut stream: Response) -> Self {
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&arrivals);
        let task = tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Ok(Some(bytes)) = stream.chunk().await {
                let at = Timestamp::now();
                rest.extend_from_slice(&bytes);
                let came = whole_lines(&mut rest).iter().filter_map(|line| event(line)).collect::<Vec<_>>();
                let mut arrivals = into.lock().unwrap_or_else(PoisonError::into_inner);
                arrivals.extend(came.into_iter().map(|event| Arrival { at, event }));
            }
        });
        Self { arrivals, task }
    }

    /// What came so far, in order.
    pub fn arrived(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes the lines that have ended.
fn whole_lines(rest: &mut Vec<u8>) -> Vec<String> {
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let whole: Vec<u8> = rest.drain(..=end).collect();
    String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
}

/// The event in a line of the stream; an event is one line of data.
fn event(line: &str) -> Option<Value> {
    serde_json::from_str(line.strip_prefix("data:")?.trim_start()).ok()
}
