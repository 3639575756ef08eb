//! The recorder that sends each event.

use std::{ops::ControlFlow, sync::Arc};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::{Counts, StatefulRecorder, counts::Tally, lines::Lines};

/// Puts a line into a queue for each event, which a [`Drainer`](super::Drainer) sends. See the [module docs](super).
///
/// Clones are the same recorder: give one to the facade and keep one.
#[derive(Clone, Debug)]
pub struct StatsdRecorder {
    whole: StatefulRecorder<Lines>,
    tally: Arc<Tally>,
}

impl StatsdRecorder {
    pub(super) fn new(lines: Lines, tally: Arc<Tally>) -> Self {
        Self {
            whole: StatefulRecorder::new(lines),
            tally,
        }
    }

    /// Returns what became of the lines so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Sends all gauges now, as far as the queue has room. The drainer does it each period, and makes room meanwhile.
    pub fn resend(&self) {
        self.whole.resend();
    }

    pub(super) fn resend_while(&self, goes_on: impl FnMut() -> ControlFlow<()>) {
        self.whole.resend_while(goes_on);
    }
}

impl Recorder for StatsdRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.whole.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.whole.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.whole.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.whole.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.whole.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.whole.register_histogram(key, metadata)
    }
}
