//! The spans of reads and of the events that came of them.

use event_model::{
    Spans,
    trace::{Span, SpanId, SpanName, TraceId},
};
use event_store::StoredEvent;
use jiff::Timestamp;

use crate::{AccountConfig, error::ReadError, read::Read};

/// Tells of a read of `watch` that ended now. One that failed is in a trace of its own: nothing came of it.
pub(crate) fn read(config: &AccountConfig, watch: &str, started_at: Timestamp, result: &Result<Read, ReadError>) {
    let ended_at = Timestamp::now();
    let observed_at = result.as_ref().map_or(ended_at, |read| read.observed_at);
    let trace = TraceId::of_read(&config.name, observed_at);
    config.spans.record(trace, || Span {
        trace,
        id: SpanId::of_read(trace),
        parent: None,
        name: SpanName::Read,
        started_at,
        ended_at,
        attributes: attributes(config, watch, result),
        failed: result.as_ref().err().map(|error| error.outcome().to_owned()),
    });
}

fn attributes(config: &AccountConfig, watch: &str, result: &Result<Read, ReadError>) -> Vec<(&'static str, String)> {
    let mut attributes =
        vec![("expensewire.account", config.name.to_string()), ("expensewire.watch", watch.to_owned())];
    if let Ok(read) = result {
        attributes.extend([
            ("expensewire.requests", read.requests.to_string()),
            ("expensewire.entities", read.ingested.entities.to_string()),
            ("expensewire.changes", read.ingested.changes.to_string()),
        ]);
    }
    attributes
}

/// Tells of `events`, which are durable now.
pub(crate) fn events(spans: &Spans, events: &[StoredEvent]) {
    if !spans.are_recorded() {
        return;
    }
    let ended_at = Timestamp::now();
    for event in events {
        let trace = TraceId::of_event(&event.head);
        spans.record(trace, || Span {
            trace,
            id: SpanId::of_event(&event.head.id),
            parent: Some(SpanId::of_read(trace)),
            name: SpanName::Event,
            started_at: event.head.observed_at().min(ended_at),
            ended_at,
            attributes: vec![
                ("expensewire.account", event.head.account.to_string()),
                ("expensewire.event.id", event.head.id.to_string()),
                ("expensewire.event.type", event.head.event_type.as_str().to_owned()),
                ("expensewire.event.subject", event.head.subject.to_string()),
                ("expensewire.event.sequence", event.head.sequence.to_string()),
            ],
            failed: None,
        });
    }
}
