//! What was logged.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{Dispatch, Level, subscriber::DefaultGuard};

/// The lines that this test's thread has logged since, and the threads of dispatchers that it started.
pub struct Told {
    lines: Lines,
    _guard: DefaultGuard,
    /// With one listener in the process, `tracing` asks that of the thread which comes first to a place in the code whether
    /// anybody listens there, and remembers the answer for all: another test's "nobody" would be ours. With two it asks all.
    _other: Dispatch,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Told {
    /// Begins to note lines of this level and above.
    pub fn from(level: Level) -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let noting = tracing_subscriber::fmt().with_ansi(false).with_max_level(level);
        let noting = noting.with_writer(move || writer.clone()).finish();
        let other = Dispatch::new(tracing_subscriber::fmt().with_max_level(level).with_writer(io::sink).finish());
        Self { lines, _guard: tracing::subscriber::set_default(noting), _other: other }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.lines.0.lock().expect("lock").clone()).expect("text")
    }

    /// How many lines have these words.
    pub fn count(&self, words: &str) -> usize {
        self.text().lines().filter(|line| line.contains(words)).count()
    }
}
