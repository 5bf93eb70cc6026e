//! What the API tells of itself.

use std::time::Duration;

use http::{Method, StatusCode};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

/// Seconds: from a page served from memory to the request timeout.
const DURATION_BUCKETS_S: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The API's metrics. Labels are bounded: routes are templates, methods and statuses a fixed set.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    streams: IntGauge,
    refusals: IntCounterVec,
}

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When `registry` has a metric of one of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new("expensewire_http_requests_total", "Requests answered by the API."),
            &["route", "method", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "expensewire_http_request_duration_seconds",
                "From the head of a request to the API to the head of its answer.",
            )
            .buckets(DURATION_BUCKETS_S.to_vec()),
            &["route", "method"],
        )?;
        let streams = IntGauge::new("expensewire_sse_streams", "Streams of events that are open now.")?;
        let refusals = IntCounterVec::new(
            Opts::new(
                "expensewire_api_refusals_total",
                "Requests that their callers were not entitled to, or made too often.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(refusals.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(streams.clone()))?;
        Ok(Self { requests, durations, streams, refusals })
    }

    pub(crate) fn answered(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = method_label(method);
        self.requests.with_label_values(&[route, method, status.as_str()]).inc();
        self.durations.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, reason: &str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    pub(crate) fn stream_opened(&self) -> OpenStream {
        self.streams.inc();
        OpenStream(self.streams.clone())
    }
}

/// One open stream; the gauge falls when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream(IntGauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A caller may invent methods; a label may not follow it.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
