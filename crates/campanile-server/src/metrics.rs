//! The metrics of this crate, and the counters of one listener.

use campanile_listen::ListenerLabel;
use campanile_metrics::{Descriptor, RecorderHandle};
use metrics::{Counter, Label};

/// All metrics of this crate.
pub const METRICS: &[Descriptor] = &[STALLED_RESPONSES, TLS_HANDSHAKE_ERRORS];

const LISTENER: &str = "listener";
const ERROR: &str = "error";

const TLS_HANDSHAKE_ERRORS: Descriptor = Descriptor::counter(
    "http_server_tls_handshake_errors_total",
    None,
    "Failed TLS handshakes",
    &[LISTENER, ERROR],
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
