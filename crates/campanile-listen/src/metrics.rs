//! The metric families of this crate, and the handles of one listener.

use campanile_metrics::{Descriptor, OTHER, RecorderHandle, UPGRADED_CONNECTIONS};
use metrics::{Counter, Gauge, Label, Recorder};

use crate::{CloseReason, ListenerLabel};

const LISTENER: &str = "listener";
const CLOSE: &str = "close";
const ERROR: &str = "error";

const OPEN_CONNECTIONS: Descriptor = Descriptor::gauge(
    "http_server_open_connections",
    None,
    "Accepted connections that are open",
    &[LISTENER],
);

const CONNECTION_LIMIT: Descriptor = Descriptor::gauge(
    "http_server_connection_limit",
    None,
    "Open connections at which accepting pauses",
    &[LISTENER],
);

const CONNECTIONS: Descriptor = Descriptor::counter(
    "http_server_connections_total",
    None,
    "Connections that ended, by how they ended",
    &[LISTENER, CLOSE],
);

const ACCEPT_ERRORS: Descriptor = Descriptor::counter(
    "http_server_accept_errors_total",
    None,
    "Failed accepts, by the name of the error number",
    &[LISTENER, ERROR],
);

/// All metric families that this crate records.
pub const METRICS: &[Descriptor] = &[
    OPEN_CONNECTIONS,
    CONNECTION_LIMIT,
    CONNECTIONS,
    ACCEPT_ERRORS,
    UPGRADED_CONNECTIONS,
];

/// The handles of one listener.
#[derive(Debug)]
pub(crate) struct ListenerMetrics {
    pub(crate) open: Gauge,
    pub(crate) upgraded: Gauge,
    closed: [Counter; CloseReason::ALL.len()],
}

impl ListenerMetrics {
    pub(crate) fn register(recorder: &dyn Recorder, label: &ListenerLabel, limit: Option<usize>) -> Self {
        let listener = || Label::new(LISTENER, label.to_shared());
        if let Some(limit) = limit {
            let gauge: Gauge = CONNECTION_LIMIT.register(recorder, vec![listener()]);
            gauge.set(limit as f64);
        }
        Self {
            open: OPEN_CONNECTIONS.register(recorder, vec![listener()]),
            upgraded: UPGRADED_CONNECTIONS.register(recorder, Vec::new()),
            closed: CloseReason::ALL.map(|reason| {
                let close = Label::from_static_parts(CLOSE, reason.as_str());
                CONNECTIONS.register(recorder, vec![listener(), close])
            }),
        }
    }

    pub(crate) fn closed(&self, reason: CloseReason) -> &Counter {
        &self.closed[reason as usize]
    }
}

/// Counts a failed accept. The handle is registered on demand, since most of these series never exist.
pub(crate) fn count_accept_error(recorder: RecorderHandle, label: &ListenerLabel, error: &std::io::Error) {
    let labels = vec![
        Label::new(LISTENER, label.to_shared()),
        Label::from_static_parts(ERROR, errno_label(error)),
    ];
    recorder.with(|recorder| {
        let counter: Counter = ACCEPT_ERRORS.register(recorder, labels);
        counter.increment(1);
    });
}

/// Returns the name of an error number; `other` for unknown numbers and for errors without one, so that the label has a
/// closed set of values.
pub(crate) fn errno_label(error: &std::io::Error) -> &'static str {
    error.raw_os_error().map_or(OTHER, campanile_metrics::errno_name)
}
