//! The metrics of the lifecycle.

use std::sync::OnceLock;
use std::time::Duration;

use campanile_metrics::{CLOSURE_PANICS, Descriptor, LazyHandle, RecorderHandle, Unit};
use metrics::{Counter, Gauge, Label, Recorder};

use crate::phase::Phase;

/// All metrics of this crate.
pub const METRICS: &[Descriptor] = &[
    PHASE,
    DRAIN_SECONDS,
    DRAINED_REQUESTS,
    CUT_REQUESTS,
    ACCEPTED_AFTER_CLOSE,
    CLOSURE_PANICS,
];

const PHASE: Descriptor = Descriptor::gauge(
    "lifecycle_phase",
    None,
    "1 for the current phase of the service, 0 for the others",
    &["phase"],
);

const DRAIN_SECONDS: Descriptor = Descriptor::gauge(
    "lifecycle_drain_seconds",
    Some(Unit::Seconds),
    "Time since the drain began, until the service stopped",
    &[],
);

const DRAINED_REQUESTS: Descriptor = Descriptor::counter(
    "lifecycle_drained_requests_total",
    None,
    "Requests completed after the drain began",
    &[],
);

const CUT_REQUESTS: Descriptor = Descriptor::counter(
    "lifecycle_cut_requests_total",
    None,
    "Requests aborted at the stop timeout",
    &[],
);

const ACCEPTED_AFTER_CLOSE: Descriptor = Descriptor::counter(
    "lifecycle_accepted_after_close_total",
    None,
    "Connections accepted from the queue after the drain time, while listeners were closing",
    &[],
);

/// The phases with a series. `stopped` has none: all others are 0 then.
const RECORDED: [Phase; 4] = [Phase::Starting, Phase::Ready, Phase::Draining, Phase::Stopping];

/// The metrics of one lifecycle.
#[derive(Debug, Default)]
pub(crate) struct LifecycleMetrics {
    recorder: OnceLock<RecorderHandle>,
    handles: LazyHandle<Handles>,
}

#[derive(Debug)]
struct Handles {
    phases: [Gauge; RECORDED.len()],
    drain_seconds: Gauge,
    drained_requests: Counter,
    cut_requests: Counter,
    accepted_after_close: Counter,
}

impl LifecycleMetrics {
    /// Sets the recorder, unless one is set already.
    pub(crate) fn set_recorder(&self, recorder: RecorderHandle) {
        let _ = self.recorder.set(recorder);
    }

    /// Returns the recorder of the lifecycle.
    pub(crate) fn recorder(&self) -> RecorderHandle {
        self.recorder.get().copied().unwrap_or_default()
    }

    pub(crate) fn record_phase(&self, phase: Phase, drain_elapsed: Duration) {
        if let Some(handles) = self.handles() {
            for (gauge, recorded) in handles.phases.iter().zip(RECORDED) {
                gauge.set(f64::from(u8::from(recorded == phase)));
            }
            handles.drain_seconds.set(drain_elapsed.as_secs_f64());
        }
    }

    pub(crate) fn count_drained_request(&self) {
        if let Some(handles) = self.handles() {
            handles.drained_requests.increment(1);
        }
    }

    pub(crate) fn count_cut_requests(&self, requests: u64) {
        if let Some(handles) = self.handles() {
            handles.cut_requests.increment(requests);
        }
    }

    pub(crate) fn count_accepted_after_close(&self) {
        if let Some(handles) = self.handles() {
            handles.accepted_after_close.increment(1);
        }
    }

    fn handles(&self) -> Option<&Handles> {
        self.handles.get(self.recorder(), Handles::register)
    }
}

impl Handles {
    fn register(recorder: &dyn Recorder) -> Self {
        Self {
            phases: RECORDED.map(|phase| {
                PHASE.register(recorder, vec![Label::from_static_parts("phase", phase.as_str())])
            }),
            drain_seconds: DRAIN_SECONDS.register(recorder, Vec::new()),
            drained_requests: DRAINED_REQUESTS.register(recorder, Vec::new()),
            cut_requests: CUT_REQUESTS.register(recorder, Vec::new()),
            accepted_after_close: ACCEPTED_AFTER_CLOSE.register(recorder, Vec::new()),
        }
    }
}
