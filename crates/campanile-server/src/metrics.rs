//! The metrics of this crate, and the counters of one listener.

use campanile_listen::ListenerLabel;
use campanile_metrics::{Descriptor, RecorderHandle};
use metrics::{Counter, Label};

/// All metrics of this crate.
pub const METRICS: &[Descriptor] = &[
    TLS_HANDSHAKE_ERRORS,
    REJECTED_REQUESTS,
    EVICTED_CONNECTIONS,
    BODY_READ_TIMEOUTS,
    STALLED_RESPONSES,
];

const LISTENER: &str = "listener";
const ERROR: &str = "error";
const REASON: &str = "reason";

const TLS_HANDSHAKE_ERRORS: Descriptor = Descriptor::counter(
    "http_server_tls_handshake_errors_total",
    None,
    "Failed TLS handshakes",
    &[LISTENER, ERROR],
);

const REJECTED_REQUESTS: Descriptor = Descriptor::counter(
    "http_server_rejected_requests_total",
    None,
    "Requests that were refused before the service saw them",
    &[LISTENER, REASON],
);

const EVICTED_CONNECTIONS: Descriptor = Descriptor::counter(
    "http_server_evicted_connections_total",
    None,
    "Silent connections that were closed at the connection limit to make room",
    &[LISTENER],
);

const BODY_READ_TIMEOUTS: Descriptor = Descriptor::counter(
    "http_server_body_read_timeouts_total",
    None,
    "Requests whose client stopped sending the request body",
    &[LISTENER],
);

const STALLED_RESPONSES: Descriptor = Descriptor::counter(
    "http_server_stalled_responses_total",
    None,
    "Responses that ended because the client did not take them",
    &[LISTENER],
);

/// Counts events of one listener's connections. The handles are not kept: the events are rare.
#[derive(Debug)]
pub(crate) struct ListenerMetrics {
    recorder: RecorderHandle,
    label: ListenerLabel,
}

impl ListenerMetrics {
    pub(crate) fn new(recorder: RecorderHandle, label: ListenerLabel) -> Self {
        Self { recorder, label }
    }

    /// Returns the label of the listener.
    #[cfg(feature = "tls")]
    pub(crate) fn listener(&self) -> &str {
        self.label.as_str()
    }

    /// Counts a failed TLS handshake. `error` is one of a closed set.
    #[cfg(feature = "tls")]
    pub(crate) fn count_tls_handshake_error(&self, error: &'static str) {
        self.count(
            &TLS_HANDSHAKE_ERRORS,
            vec![Label::from_static_parts(ERROR, error)],
        );
    }

    /// Counts a refused request. `reason` is one of a closed set.
    pub(crate) fn count_rejected_request(&self, reason: &'static str) {
        self.count(&REJECTED_REQUESTS, vec![Label::from_static_parts(REASON, reason)]);
    }

    /// Counts a connection that was closed to make room.
    pub(crate) fn count_evicted_connection(&self) {
        self.count(&EVICTED_CONNECTIONS, Vec::new());
    }

    /// Counts a request whose body stopped arriving.
    pub(crate) fn count_body_read_timeout(&self) {
        self.count(&BODY_READ_TIMEOUTS, Vec::new());
    }

    /// Counts responses that ended because the client did not take them.
    #[cold]
    pub(crate) fn count_stalled_responses(&self, responses: usize) {
        for _ in 0..responses {
            self.count(&STALLED_RESPONSES, Vec::new());
        }
    }

    fn count(&self, family: &Descriptor, mut labels: Vec<Label>) {
        self.recorder.with(|recorder| {
            labels.push(Label::new(LISTENER, self.label.as_str().to_owned()));
            family.register::<Counter>(recorder, labels).increment(1);
        });
    }
}
