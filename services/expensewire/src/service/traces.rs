//! Spans on their way to a collector of OpenTelemetry, by OTLP over HTTP.
//!
//! Nothing waits for a collector: there is a queue, and what it has no room for is dropped and counted. A batch that the
//! collector does not take is dropped too: traces explain, the log and the metrics prove.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use event_model::{
    Spans,
    trace::{Record, Span, SpanName, TraceId},
};
use jiff::Timestamp;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use reqwest::{
    Client,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
    redirect,
};
use secrecy::ExposeSecret;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::Traces;

/// Spans that wait: some seconds of a busy service, and a few megabytes.
const QUEUE: usize = 4_096;
/// Spans in one request.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_millis(500);
/// For one request to the collector.
const TIMEOUT: Duration = Duration::from_secs(10);
/// From the stop until what still waits is left behind.
const DRAIN: Duration = Duration::from_secs(3);

/// Takes spans, without ever waiting.
struct Recorder {
    queue: mpsc::Sender<Span>,
    share: f64,
    dropped: IntCounter,
}

impl Record for Recorder {
    fn wants(&self, trace: TraceId) -> bool {
        trace.position() < self.share
    }

    fn record(&self, span: Span) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(span) {
            self.dropped.inc();
        }
    }
}

/// Sends to the collector what was recorded.
pub(super) struct Exporter {
    queue: mpsc::Receiver<Span>,
    collector: SpanExporter,
    spans: IntCounterVec,
    scope: InstrumentationScope,
    failing: bool,
}

/// The two ends, as `config` says.
///
/// # Errors
/// When the HTTP client cannot be made, or a name of a metric is taken.
pub(super) fn pair(config: &Traces, registry: &Registry) -> Result<(Spans, Exporter)> {
    let help = "Spans of traces by what became of them: exported, failed (the collector did not take them), dropped \
                (the queue was full)";
    let spans = IntCounterVec::new(Opts::new("expensewire_spans_total", help), &["outcome"])?;
    registry.register(Box::new(spans.clone()))?;
    let dropped = spans.with_label_values(&["dropped"]);
    let (sender, queue) = mpsc::channel(QUEUE);
    let recorder = Recorder { queue: sender, share: config.share, dropped };
    let scope = InstrumentationScope::builder("expensewire").with_version(env!("CARGO_PKG_VERSION")).build();
    let exporter = Exporter { queue, collector: collector(config)?, spans, scope, failing: false };
    Ok((Spans::to(Arc::new(recorder)), exporter))
}

fn collector(config: &Traces) -> Result<SpanExporter> {
    let mut headers = HeaderMap::new();
    if let Some(authorization) = &config.authorization {
        let mut value = HeaderValue::from_str(authorization.expose_secret()).context("traces.authorization_file")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let client = Client::builder()
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .context("the HTTP client of traces")?;
    let mut collector = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces_url(&config.endpoint))
        .with_timeout(TIMEOUT)
        .build()
        .context("the exporter of traces (traces.endpoint)")?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder_empty().with_service_name("expensewire").with_attribute(version);
    collector.set_resource(&resource.build());
    Ok(collector)
}

/// `v1/traces` under the collector's address (OTLP/HTTP, "OTLP/HTTP Request").
fn traces_url(endpoint: &Url) -> String {
    format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'))
}

impl Exporter {
    /// Sends until `stop`, and then what the other parts still say as they end.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let all = async { while self.next_batch(&stop).await {} };
        let mut all = std::pin::pin!(all);
        tokio::select! {
            () = &mut all => {}
            () = stop.cancelled() => drop(timeout(DRAIN, all).await),
        }
    }

    /// Whether there may be another one.
    async fn next_batch(&mut self, stop: &CancellationToken) -> bool {
        let mut batch = Vec::with_capacity(BATCH);
        if self.queue.recv_many(&mut batch, BATCH).await == 0 {
            // Nobody can record any more. Before the stop somebody might be started who does.
            stop.cancelled().await;
            return false;
        }
        if batch.len() < BATCH && !stop.is_cancelled() {
            tokio::select! {
                () = sleep(LINGER) => {}
                () = stop.cancelled() => {}
            }
            while batch.len() < BATCH
                && let Ok(span) = self.queue.try_recv()
            {
                batch.push(span);
            }
        }
        self.send(batch).await;
        true
    }

    async fn send(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let spans = batch.into_iter().map(|span| data(span, &self.scope)).collect();
        let sent = self.collector.export(spans).await;
        self.spans.with_label_values(&[if sent.is_ok() { "exported" } else { "failed" }]).inc_by(count);
        match (&sent, self.failing) {
            (Err(error), false) => tracing::warn!(%error, "the collector does not take traces: they are dropped"),
            (Ok(()), true) => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        self.failing = sent.is_err();
    }
}

fn data(span: Span, scope: &InstrumentationScope) -> SpanData {
    let id = |id: event_model::trace::SpanId| SpanId::from_bytes(id.0);
    let trace = opentelemetry::TraceId::from_bytes(span.trace.0);
    let status = span.failed.map_or(Status::Unset, Status::error);
    let attributes = span.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
    SpanData {
        span_context: SpanContext::new(trace, id(span.id), TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: span.parent.map_or(SpanId::INVALID, id),
        parent_span_is_remote: false,
        span_kind: if span.name == SpanName::Event { SpanKind::Internal } else { SpanKind::Client },
        name: span.name.as_str().into(),
        start_time: system_time(span.started_at),
        end_time: system_time(span.ended_at),
        attributes: attributes.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: scope.clone(),
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::from(at)
}
