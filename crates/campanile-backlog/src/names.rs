//! The metrics of this crate: the only file that spells their names.

use metrics::{Recorder, Unit};

/// What a metric is to the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One family of metrics.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
}

pub(crate) const PENDING: Name = Name {
    name: "listener_backlog_pending",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "Connections that wait in the kernel to be accepted",
};

pub(crate) const LIMIT: Name = Name {
    name: "listener_backlog_limit",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "Waiting connections beyond which the kernel takes no more; one more than that fits",
};

pub(crate) const OVERFLOWS: Name = Name {
    name: "listener_backlog_overflows_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Connections and attempts at one that the kernel dropped because the queue was full",
};

pub(crate) const SAMPLES: Name = Name {
    name: "listener_backlog_samples_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Samples that succeeded: where this stands still the gauges are old",
};

pub(crate) const ERRORS: Name = Name {
    name: "listener_backlog_errors_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Samples that failed",
};

pub(crate) const NAMESPACE_OVERFLOWS: Name = Name {
    name: "listener_backlog_namespace_overflows_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "ListenOverflows of the whole network namespace since the monitor began",
};

pub(crate) const NAMESPACE_DROPS: Name = Name {
    name: "listener_backlog_namespace_drops_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "ListenDrops of the whole network namespace since the monitor began",
};

pub(crate) const WAIT: Name = Name {
    name: "listener_backlog_wait_seconds",
    kind: Kind::Histogram,
    unit: Unit::Seconds,
    help: "Time from a connection's handshake to its accept",
};

pub(crate) const SATURATION: Name = Name {
    name: "saturation_ratio",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "How full the service is, 0 to 1: the largest of its signals",
};

pub(crate) const SATURATION_SIGNAL: Name = Name {
    name: "saturation_signal_ratio",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "How full one part of the service is, 0 to 1",
};

/// The families of a monitor, each once.
pub(crate) const OF_MONITOR: [&Name; 7] = [
    &PENDING,
    &LIMIT,
    &OVERFLOWS,
    &SAMPLES,
    &ERRORS,
    &NAMESPACE_OVERFLOWS,
    &NAMESPACE_DROPS,
];

/// The family of a recorder of waiting times.
pub(crate) const OF_WAIT: [&Name; 1] = [&WAIT];

/// The families of a saturation.
pub(crate) const OF_SATURATION: [&Name; 2] = [&SATURATION, &SATURATION_SIGNAL];

/// The label that tells listeners apart.
pub(crate) const LISTENER: &str = "listener";

/// The label that tells signals apart.
pub(crate) const SIGNAL: &str = "signal";

/// Tells a recorder what families are.
pub(crate) fn describe(families: &[&Name], recorder: &dyn Recorder) {
    for family in families {
        let (name, unit, help) = (family.name.into(), Some(family.unit), family.help.into());
        match family.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
            Kind::Histogram => recorder.describe_histogram(name, unit, help),
        }
    }
}
