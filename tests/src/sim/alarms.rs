//! Every ERROR that anything logs fails the run in which it was logged, but one: the store says that it takes no more writes
//! after a commit that the run itself let fail.

use std::{
    fmt::{Debug, Write},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

/// The module whose ERROR an injected fault calls for.
const STORE_WRITER: &str = "event_store::writer";

static RAISED: Mutex<Vec<Alarm>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

/// An ERROR.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// The module that logged it.
    pub target: String,
    /// Message and fields.
    pub text: String,
}

impl Alarm {
    /// Whether a failed commit calls for it.
    pub fn says_that_the_store_stopped(&self) -> bool {
        self.target.starts_with(STORE_WRITER)
    }
}

/// Listens from here on, in the whole process. A run owns what is raised while it lasts, so one run at a time.
pub fn install() {
    INSTALL.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Recorder.with_filter(LevelFilter::ERROR));
        // Where somebody else listens already nothing can be recorded: a run would prove less than it says.
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens in this process");
    });
}

/// What was raised since the last call.
pub fn take() -> Vec<Alarm> {
    std::mem::take(&mut *raised())
}

/// Forgets what was raised and `test` allows.
pub fn take_back(test: impl Fn(&Alarm) -> bool) {
    raised().retain(|alarm| !test(alarm));
}

fn raised() -> MutexGuard<'static, Vec<Alarm>> {
    RAISED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Recorder;

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            let mut text = Text(String::new());
            event.record(&mut text);
            raised().push(Alarm { target: event.metadata().target().to_owned(), text: text.0 });
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
