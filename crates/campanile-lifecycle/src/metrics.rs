//! Handles of the lifecycle's metrics, and when they may be kept.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};

use crate::names::{self, Name};
use crate::phase::Phase;

const METADATA: Metadata<'static> = Metadata::new("campanile", Level::INFO, None);

/// The phases that have a series; when the last one is reached, nobody is left to be asked.
const SHOWN: [Phase; 4] = [Phase::Starting, Phase::Ready, Phase::Draining, Phase::Stopping];

/// The recorder, a lifecycle's own or the installed one, and the handles resolved from it.
#[derive(Default)]
pub(crate) struct Metrics {
    own: OnceLock<&'static (dyn Recorder + Sync)>,
    resolved: OnceLock<Handles>,
}

struct Handles {
    phases: [Gauge; SHOWN.len()],
    drain_seconds: Gauge,
    drained_requests: Counter,
    cut_requests: Counter,
    accepted_after_close: Counter,
}

impl Metrics {
    /// Sets the recorder, unless there is one.
    pub(crate) fn set_recorder(&self, recorder: &'static (dyn Recorder + Sync)) {
        let _ = self.own.set(recorder);
    }

    pub(crate) fn show(&self, phase: Phase, drained_for: Duration) {
        if let Some(handles) = self.handles() {
            for (gauge, shown) in handles.phases.iter().zip(SHOWN) {
                gauge.set(f64::from(u8::from(shown == phase)));
            }
            handles.drain_seconds.set(drained_for.as_secs_f64());
        }
    }

    pub(crate) fn drained_request(&self) {
        if let Some(handles) = self.handles() {
            handles.drained_requests.increment(1);
        }
    }

    pub(crate) fn cut_requests(&self, requests: u64) {
        if let Some(handles) = self.handles() {
            handles.cut_requests.increment(requests);
        }
    }

    pub(crate) fn accepted_after_close(&self) {
        if let Some(handles) = self.handles() {
            handles.accepted_after_close.increment(1);
        }
    }

    fn handles(&self) -> Option<&Handles> {
        if let Some(handles) = self.resolved.get() {
            return Some(handles);
        }
        let resolve = |recorder: &dyn Recorder| {
            // The facade's no-op recorder cannot be asked for, but it has no size; its handles would stay deaf for ever.
            (size_of_val(recorder) != 0).then(|| self.resolved.get_or_init(|| Handles::resolve(recorder)))
        };
        match self.own.get() {
            Some(recorder) => Some(self.resolved.get_or_init(|| Handles::resolve(*recorder))),
            None => metrics::with_recorder(resolve),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("own", &self.own.get().is_some())
            .field("resolved", &self.resolved.get().is_some())
            .finish()
    }
}

impl Handles {
    fn resolve(recorder: &dyn Recorder) -> Self {
        names::ALL.iter().for_each(|name| name.describe(recorder));
        let counter = |name: &Name| recorder.register_counter(&Key::from_static_name(name.name), &METADATA);
        Self {
            phases: SHOWN.map(|phase| {
                let label = Label::from_static_parts(names::PHASE_LABEL, phase.as_str());
                recorder.register_gauge(&Key::from_parts(names::PHASE.name, vec![label]), &METADATA)
            }),
            drain_seconds: recorder
                .register_gauge(&Key::from_static_name(names::DRAIN_SECONDS.name), &METADATA),
            drained_requests: counter(&names::DRAINED_REQUESTS),
            cut_requests: counter(&names::CUT_REQUESTS),
            accepted_after_close: counter(&names::ACCEPTED_AFTER_CLOSE),
        }
    }
}
