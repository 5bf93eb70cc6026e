//! The spans of attempts.

use event_model::{
    EventId, Spans, SubscriptionId,
    delivery::{Attempt, Outcome},
    trace::{Span, SpanId, SpanName, TraceId},
};
use jiff::Timestamp;

/// One attempt, in the trace of its event.
#[derive(Clone, Copy)]
pub(crate) struct Traced<'a> {
    pub(crate) trace: TraceId,
    pub(crate) id: &'a EventId,
    pub(crate) subscription: &'a SubscriptionId,
    pub(crate) at: Timestamp,
}

impl Traced<'_> {
    pub(crate) fn span(&self) -> SpanId {
        SpanId::of_attempt(self.id, self.subscription, self.at)
    }

    /// Tells how it ended, now.
    pub(crate) fn record(self, spans: &Spans, attempt: &Attempt) {
        spans.record(self.trace, || Span {
            trace: self.trace,
            id: self.span(),
            parent: Some(SpanId::of_event(self.id)),
            name: SpanName::Attempt,
            started_at: self.at,
            ended_at: Timestamp::now().max(self.at),
            attributes: self.attributes(&attempt.outcome),
            failed: (!matches!(attempt.outcome, Outcome::Delivered { .. }))
                .then(|| attempt.outcome.as_str().to_owned()),
        });
    }

    /// Never the answer's body or the endpoint's address: those are their owner's.
    fn attributes(&self, outcome: &Outcome) -> Vec<(&'static str, String)> {
        let mut attributes = vec![
            ("expensewire.event.id", self.id.to_string()),
            ("expensewire.subscription", self.subscription.to_string()),
            ("expensewire.outcome", outcome.as_str().to_owned()),
        ];
        if let Outcome::Delivered { status } | Outcome::Status { status } = outcome {
            attributes.push(("http.response.status_code", status.to_string()));
        }
        attributes
    }
}
