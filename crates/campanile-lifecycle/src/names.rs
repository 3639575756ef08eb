//! The metrics of this crate: the only file that spells their names.

use metrics::{Recorder, Unit};

/// One family of metrics.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
}

/// What a metric is to the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

pub(crate) const PHASE: Name = Name {
    name: "lifecycle_phase",
    kind: Kind::Gauge,
    unit: Unit::Count,
    help: "1 for the phase that the service is in, 0 for the others",
};

pub(crate) const DRAIN_SECONDS: Name = Name {
    name: "lifecycle_drain_seconds",
    kind: Kind::Gauge,
    unit: Unit::Seconds,
    help: "Time since the drain began, up to the end of the stop",
};

pub(crate) const DRAINED_REQUESTS: Name = Name {
    name: "lifecycle_drained_requests_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Requests that were served to their end after the drain had begun",
};

pub(crate) const CUT_REQUESTS: Name = Name {
    name: "lifecycle_cut_requests_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Requests that were cut when the time to stop was over",
};

pub(crate) const ACCEPTED_AFTER_CLOSE: Name = Name {
    name: "lifecycle_accepted_after_close_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    help: "Connections taken from the accept queue after the listeners were to be closed",
};

/// Every family, each once.
pub(crate) const ALL: [&Name; 5] = [
    &PHASE,
    &DRAIN_SECONDS,
    &DRAINED_REQUESTS,
    &CUT_REQUESTS,
    &ACCEPTED_AFTER_CLOSE,
];

/// The label of the phase.
pub(crate) const PHASE_LABEL: &str = "phase";

impl Name {
    pub(crate) fn describe(&self, recorder: &dyn Recorder) {
        let (name, unit, help) = (self.name.into(), Some(self.unit), self.help.into());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
        }
    }
}
