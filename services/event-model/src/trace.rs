//! One trace from a read of the upstream to each attempt to deliver what it showed (W3C Trace Context, level 1).
//!
//! ```text
//! read ──┬── event ──┬── attempt
//!        │           └── attempt, after a restart, or in a replay a month later
//!        └── event …
//! ```
//!
//! Nothing of a trace is kept: its ids are hashes of what the log says. All events of one read carry the time at which it
//! was observed, so account and time name the read; an event's id names the event. Whoever holds an event knows its trace.
//!
//! What is shown of a span are names of accounts, ids and outcomes; never an address, a secret or a body.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use crate::{account::AccountName, event::EventHead, id::EventId, subscription::SubscriptionId};

/// Bytes of a trace's id and of a span's, as Trace Context fixes them.
const TRACE_BYTES: usize = 16;
const SPAN_BYTES: usize = 8;

/// The id of a trace: that of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; TRACE_BYTES]);

/// The id of a span within its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; SPAN_BYTES]);

impl TraceId {
    /// The trace of the read of `account` that ended at `observed_at`.
    pub fn of_read(account: &AccountName, observed_at: Timestamp) -> Self {
        Self(hash("expensewire trace v1", &[account.as_str().as_bytes(), &nanoseconds(observed_at)]))
    }

    /// The trace that the event belongs to.
    pub fn of_event(event: &EventHead) -> Self {
        Self::of_read(&event.account, event.observed_at())
    }

    /// A number that is as good as chance and the same wherever the trace is looked at, from 0 to below 1: below the share
    /// that is wanted, the trace is kept.
    pub fn position(self) -> f64 {
        let [.., a, b, c, d] = self.0;
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }
}

impl SpanId {
    /// The span of the read that `trace` is of.
    pub fn of_read(trace: TraceId) -> Self {
        Self(hash("expensewire span of a read v1", &[&trace.0]))
    }

    /// The span of an event on its way into the log.
    pub fn of_event(id: &EventId) -> Self {
        Self(hash("expensewire span of an event v1", &[id.as_str().as_bytes()]))
    }

    /// The span of the attempt that began at `at`.
    pub fn of_attempt(id: &EventId, subscription: &SubscriptionId, at: Timestamp) -> Self {
        let parts = [id.as_str().as_bytes(), subscription.as_str().as_bytes(), &nanoseconds(at)];
        Self(hash("expensewire span of an attempt v1", &parts))
    }
}

/// The header `traceparent` (Trace Context, section 3.2).
pub fn traceparent(trace: TraceId, span: SpanId, kept: bool) -> String {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    format!("00-{}-{}-{:02x}", hex(&trace.0), hex(&span.0), u8::from(kept))
}

fn nanoseconds(at: Timestamp) -> [u8; 16] {
    at.as_nanosecond().to_be_bytes()
}

/// Never all zeros, which Trace Context forbids.
fn hash<const N: usize>(purpose: &str, parts: &[&[u8]]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; N];
    hasher.finalize_xof().fill(&mut bytes);
    if bytes == [0; N] {
        bytes[N - 1] = 1;
    }
    bytes
}

/// What a span is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanName {
    /// One read of one scope.
    Read,
    /// An event, from its observation until it was durable.
    Event,
    /// One request to a subscriber.
    Attempt,
}

impl SpanName {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Event => "event",
            Self::Attempt => "attempt",
        }
    }
}

/// Something that took time and has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub id: SpanId,
    /// The span that it is a part of; none for a read.
    pub parent: Option<SpanId>,
    /// What it is of.
    pub name: SpanName,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What is known of it.
    pub attributes: Vec<(&'static str, String)>,
    /// The kind of failure, if it failed.
    pub failed: Option<String>,
}

/// Who takes spans.
pub trait Record: Send + Sync {
    /// Whether spans of `trace` are wanted.
    fn wants(&self, trace: TraceId) -> bool;

    /// Takes `span`. It never waits: what there is no room for is dropped.
    fn record(&self, span: Span);
}

/// Where spans go: nowhere, unless somebody records them.
#[derive(Clone, Default)]
pub struct Spans(Option<Arc<dyn Record>>);

impl Spans {
    /// Spans go to `recorder`.
    pub fn to(recorder: Arc<dyn Record>) -> Self {
        Self(Some(recorder))
    }

    /// Whether somebody records any.
    pub fn are_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// Whether spans of `trace` are wanted.
    pub fn wants(&self, trace: TraceId) -> bool {
        self.0.as_ref().is_some_and(|recorder| recorder.wants(trace))
    }

    /// Records the span that `span` makes, if spans of `trace` are wanted.
    pub fn record(&self, trace: TraceId, span: impl FnOnce() -> Span) {
        if let Some(recorder) = self.0.as_ref().filter(|recorder| recorder.wants(trace)) {
            recorder.record(span());
        }
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.are_recorded() { "Spans(recorded)" } else { "Spans(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> AccountName {
        name.parse().expect("a name")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_trace_is_named_by_account_and_time_of_the_read_and_by_nothing_else() {
        let observed_at = at("2026-04-02T09:14:21.000000001Z");
        let trace = TraceId::of_read(&account("acme"), observed_at);
        assert_eq!(trace, TraceId::of_read(&account("acme"), observed_at));
        assert_ne!(trace, TraceId::of_read(&account("beta"), observed_at));
        assert_ne!(trace, TraceId::of_read(&account("acme"), at("2026-04-02T09:14:21.000000002Z")));
    }

    #[test]
    fn an_event_is_in_the_trace_of_the_read_that_showed_it() {
        let body = r#"{"id":"evt_7k2m","type":"report.approved","timestamp":"2026-04-02T09:14:00Z","sequence":1042,
            "account":"acme","subject":"report/R00AbCdEf123","revision":7,"data":{"object":{}},
            "detection":{"observed_at":"2026-04-02T09:14:21Z","inferred":false,"timestamp_source":"history"}}"#;
        let head: EventHead = serde_json::from_str(body).expect("a head");
        assert_eq!(TraceId::of_event(&head), TraceId::of_read(&account("acme"), at("2026-04-02T09:14:21Z")));
    }

    #[test]
    fn the_header_is_as_trace_context_writes_it() {
        let (trace, span) = (TraceId([0x0a; 16]), SpanId([0xf1; 8]));
        assert_eq!(traceparent(trace, span, true), "00-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a-f1f1f1f1f1f1f1f1-01");
        assert!(traceparent(trace, span, false).ends_with("-00"));
    }

    #[test]
    fn positions_are_spread_from_0_to_1() {
        let second = |n| at("2026-04-02T09:14:21Z") + jiff::SignedDuration::from_secs(n);
        let positions: Vec<f64> =
            (0..1_000).map(|n| TraceId::of_read(&account("acme"), second(n)).position()).collect();
        assert!(positions.iter().all(|position| (0.0..1.0).contains(position)));
        let below = positions.iter().filter(|position| **position < 0.25).count();
        assert!((200..300).contains(&below), "{below}");
    }

    #[test]
    fn what_nobody_wants_is_not_even_made() {
        Spans::default().record(TraceId([1; 16]), || unreachable!("nobody records"));
    }
}
