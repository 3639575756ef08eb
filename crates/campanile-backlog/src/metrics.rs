//! The metric families of this crate, and handles of their series.

use campanile_metrics::{CLOSURE_PANICS, Descriptor, Unit};
use metrics::{Counter, Gauge, Histogram, Label, Recorder, SharedString};

const LISTENER: &str = "listener";
const SIGNAL: &str = "signal";

const PENDING: Descriptor = Descriptor::gauge(
    "listener_backlog_pending",
    None,
    "Connections waiting in the kernel to be accepted",
    &[LISTENER],
);

const LIMIT: Descriptor = Descriptor::gauge(
    "listener_backlog_limit",
    None,
    "Limit of the accept queue, which holds one connection more than that",
    &[LISTENER],
);

const OVERFLOWS: Descriptor = Descriptor::counter(
    "listener_backlog_overflows_total",
    None,
    "Connection attempts that the kernel dropped because the accept queue was full",
    &[LISTENER],
);

const SAMPLES: Descriptor = Descriptor::counter(
    "listener_backlog_samples_total",
    None,
    "Samples that succeeded; while it does not rise the gauges are stale",
    &[LISTENER],
);

const ERRORS: Descriptor = Descriptor::counter(
    "listener_backlog_errors_total",
    None,
    "Samples that failed",
    &[LISTENER],
);

const NAMESPACE_OVERFLOWS: Descriptor = Descriptor::counter(
    "listener_backlog_namespace_overflows_total",
    None,
    "ListenOverflows of the network namespace since the monitor started",
    &[],
);

const NAMESPACE_DROPS: Descriptor = Descriptor::counter(
    "listener_backlog_namespace_drops_total",
    None,
    "ListenDrops of the network namespace since the monitor started",
    &[],
);

const WAIT: Descriptor = Descriptor::histogram(
    "listener_backlog_wait_seconds",
    Some(Unit::Seconds),
    "Time from a connection's handshake to its accept",
    &[LISTENER],
);

const SATURATION: Descriptor = Descriptor::gauge(
    "saturation_ratio",
    None,
    "How full the service is, 0 to 1: the largest of its signals",
    &[],
);

const SATURATION_SIGNAL: Descriptor = Descriptor::gauge(
    "saturation_signal_ratio",
    None,
    "How full one resource of the service is, 0 to 1",
    &[SIGNAL],
);

/// All metric families that this crate records.
pub const METRICS: &[Descriptor] = &[
    PENDING,
    LIMIT,
    OVERFLOWS,
    WAIT,
    SAMPLES,
    ERRORS,
    NAMESPACE_OVERFLOWS,
    NAMESPACE_DROPS,
    SATURATION,
    SATURATION_SIGNAL,
    CLOSURE_PANICS,
];

/// The handles of one listener.
#[derive(Debug)]
pub(crate) struct ListenerHandles {
    pub(crate) pending: Gauge,
    pub(crate) limit: Gauge,
    /// `None` where the kernel does not count them.
    pub(crate) overflows: Option<Counter>,
    pub(crate) samples: Counter,
    pub(crate) errors: Counter,
}

impl ListenerHandles {
    pub(crate) fn register(recorder: &dyn Recorder, label: &SharedString, counts_overflows: bool) -> Self {
        Self {
            pending: PENDING.register(recorder, listener(label)),
            limit: LIMIT.register(recorder, listener(label)),
            overflows: counts_overflows.then(|| OVERFLOWS.register(recorder, listener(label))),
            samples: SAMPLES.register(recorder, listener(label)),
            errors: ERRORS.register(recorder, listener(label)),
        }
    }
}

/// The handles of the network namespace.
#[derive(Debug)]
pub(crate) struct NamespaceHandles {
    pub(crate) overflows: Counter,
    pub(crate) drops: Counter,
}

impl NamespaceHandles {
    pub(crate) fn register(recorder: &dyn Recorder) -> Self {
        Self {
            overflows: NAMESPACE_OVERFLOWS.register(recorder, Vec::new()),
            drops: NAMESPACE_DROPS.register(recorder, Vec::new()),
        }
    }
}

/// The handles of a saturation.
#[derive(Debug)]
pub(crate) struct SaturationHandles {
    pub(crate) ratio: Gauge,
    pub(crate) signals: Vec<Gauge>,
}

impl SaturationHandles {
    pub(crate) fn register(recorder: &dyn Recorder, signals: impl Iterator<Item = SharedString>) -> Self {
        let signal = |name| SATURATION_SIGNAL.register(recorder, vec![Label::new(SIGNAL, name)]);
        Self {
            ratio: SATURATION.register(recorder, Vec::new()),
            signals: signals.map(signal).collect(),
        }
    }
}

/// Registers the histogram of one listener's waiting times.
pub(crate) fn wait_histogram(recorder: &dyn Recorder, label: &SharedString) -> Histogram {
    WAIT.register(recorder, listener(label))
}

fn listener(label: &SharedString) -> Vec<Label> {
    vec![Label::new(LISTENER, label.clone())]
}
