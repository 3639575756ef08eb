//! gunicorn's tables: the gauges of its monitor threads, and the statsd lines of its instrumentation.

use std::borrow::Cow;

use super::{Label, Row};
use crate::source_names::{label, runtime, server};

const PID: &[Label] = &[Label::process_id("pid")];
const LISTENER: &[Label] = &[Label::from_source("listener", label::LISTENER).with_mapping(listener)];

/// What its monitor threads show. Each gauge is the sum over what its source is divided by.
pub(super) const TABLE: &[Row] = &[
    Row::gauge(server::ACTIVE, "gunicorn_pending_requests")
        .with_labels(PID)
        .with_help("Requests in flight"),
    Row::gauge(server::BACKLOG, "gunicorn_pending_connections")
        .with_labels(LISTENER)
        .one_to_one()
        .with_help("Connections that wait to be accepted"),
    Row::gauge(server::OPEN_CONNECTIONS, "gunicorn_active_worker_connections")
        .with_labels(PID)
        .with_help("Accepted connections that are open"),
    Row::gauge(server::CONNECTION_LIMIT, "gunicorn_max_worker_connections")
        .with_labels(PID)
        .with_help("Open connections at which accepting pauses"),
    Row::gauge(runtime::BUSY_WORKERS, "gunicorn_active_worker_threads")
        .with_labels(PID)
        .with_help("Threads that work"),
    Row::gauge(runtime::WORKERS, "gunicorn_max_worker_threads")
        .with_labels(PID)
        .with_help("Threads that may work"),
];

/// What it sends to statsd. Names with dots are statsd's already.
pub(super) const STATSD: &[Row] = &[
    Row::counter(server::REQUESTS, "gunicorn.requests").with_labels(&[]),
    Row::counter(server::REQUESTS, "gunicorn.request.status")
        .with_labels(&[Label::from_source("code", label::STATUS)])
        // Without a head there is no code, and an empty part would be no name.
        .with_condition(|source| !source.value(label::STATUS).is_empty()),
    Row::histogram(server::RESPONSE_DURATION, "gunicorn.request.duration")
        .with_labels(&[])
        .in_milliseconds(),
    // What works on requests: there a process each, here a thread of the runtime.
    Row::gauge(runtime::WORKERS, "gunicorn.workers").with_labels(&[]),
    Row::gauge(server::BACKLOG, "gunicorn.backlog").with_labels(&[]),
];

/// Spells a listener as gunicorn does, which makes a URL of what is not a unix socket.
fn listener(listener: &str) -> Cow<'_, str> {
    if listener.starts_with("unix:") {
        listener.into()
    } else {
        format!("http://{listener}").into()
    }
}
