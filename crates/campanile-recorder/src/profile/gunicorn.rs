//! gunicorn's tables: the gauges of its monitor threads, and the statsd lines of its instrumentation.

use std::borrow::Cow;

use super::{Label, Row};
use crate::source_names::{label, runtime, server};

const PID: &[Label] = &[Label::process_id("pid")];
const LISTENER: &[Label] = &[Label::from_source("listener", label::LISTENER).with_mapping(listener)];

/// The gauges of the monitor threads, each the sum over the labels of its source.
pub(super) const TABLE: &[Row] = &[
    Row::gauge(server::ACTIVE, "gunicorn_pending_requests")
        .with_labels(PID)
        .with_help("Requests in flight"),
    Row::gauge(server::BACKLOG, "gunicorn_pending_connections")
        .with_labels(LISTENER)
        .with_labels(LISTENER)
        .with_one_to_one(true)
        .with_help("Connections waiting to be accepted"),
    Row::gauge(server::OPEN_CONNECTIONS, "gunicorn_active_worker_connections")
        .with_labels(PID)
        .with_help("Open accepted connections"),
    Row::gauge(server::CONNECTION_LIMIT, "gunicorn_max_worker_connections")
        .with_labels(PID)
        .with_help("Open connections at which accepting pauses"),
    Row::gauge(runtime::BUSY_WORKERS, "gunicorn_active_worker_threads")
        .with_labels(PID)
        .with_help("Busy worker threads"),
    Row::gauge(runtime::WORKERS, "gunicorn_max_worker_threads")
        .with_labels(PID)
        .with_help("Worker threads"),
];

/// The statsd lines, whose names have dots already.
pub(super) const STATSD: &[Row] = &[
    Row::counter(server::REQUESTS, "gunicorn.requests").with_labels(&[]),
    Row::counter(server::REQUESTS, "gunicorn.request.status")
        .with_labels(&[Label::from_source("code", label::STATUS)])
        // Without a response head there is no code, and a name must not have an empty part.
        .with_condition(|source| !source.value(label::STATUS).is_empty()),
    Row::histogram(server::RESPONSE_DURATION, "gunicorn.request.duration")
        .with_labels(&[])
        .in_milliseconds(),
    // The workers are processes there and threads of the runtime here.
    Row::gauge(runtime::WORKERS, "gunicorn.workers").with_labels(&[]),
    Row::gauge(server::BACKLOG, "gunicorn.backlog").with_labels(&[]),
];

/// Spells a listener as gunicorn does: a URL unless it is a unix socket.
fn listener(listener: &str) -> Cow<'_, str> {
    if listener.starts_with("unix:") {
        listener.into()
    } else {
        format!("http://{listener}").into()
    }
}
