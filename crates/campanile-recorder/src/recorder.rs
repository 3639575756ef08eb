//! The recorder.

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SetRecorderError, SharedString, Unit,
};

use crate::{
    ExemplarLabels, Format, Kind, Labels, Matcher, Profile, Snapshot,
    buckets::Buckets,
    exemplars::ExemplarSource,
    gather,
    labels::valid_metric_name,
    memory::Memory,
    names,
    registry::{Cells, Refusal, Registered, Registry},
};

/// Threads that get words of their own; those beyond count in words that all share.
const SLOTS: usize = 256;
/// Series of one metric.
const SERIES_LIMIT: usize = 10_000;

/// What a recorder is made of: buckets, limits, exemplars.
///
/// See the [crate's docs](crate).
#[derive(Debug)]
pub struct Builder {
    buckets: Buckets,
    exemplars: ExemplarSource,
    series_limit: usize,
    slots: usize,
}

impl Builder {
    /// Begins with the defaults.
    pub fn new() -> Self {
        Self {
            buckets: Buckets::new(),
            exemplars: ExemplarSource::default(),
            series_limit: SERIES_LIMIT,
            slots: SLOTS,
        }
    }

    /// Sets the upper bounds of the buckets of some histograms, in the unit in which they are recorded.
    ///
    /// The infinite bound is always there. What is not finite or stands twice is left out. The closest matcher counts:
    /// a name before a beginning before an end, a longer one before a shorter; among equals the last that was set.
    #[must_use]
    pub fn with_buckets(mut self, matcher: Matcher, bounds: &[f64]) -> Self {
        self.buckets.set(matcher, bounds);
        self
    }

    /// Sets the buckets that a profile's histograms have.
    #[must_use]
    pub fn with_buckets_of(mut self, profile: &Profile) -> Self {
        for (name, bounds) in profile.buckets() {
            self.buckets.set(Matcher::name(valid_metric_name(name)), bounds);
        }
        self
    }

    /// Sets how many series a metric may have, 10,000 by default.
    ///
    /// Whatever is registered beyond goes to one more series with the only label `otel_metric_overflow="true"`, and
    /// `campanile_recorder_series_overflows_total` rises.
    #[must_use]
    pub const fn with_series_limit(mut self, limit: usize) -> Self {
        self.series_limit = limit;
        self
    }

    /// Sets how many threads have words of their own at the same time, 256 by default.
    ///
    /// Those beyond count by locked instructions in words that they share: as right, only slower.
    #[must_use]
    pub const fn with_threads(mut self, threads: usize) -> Self {
        self.slots = threads;
        self
    }

    /// Keeps an exemplar for each bucket of each histogram, at most a new one each second.
    ///
    /// `tell` is called by the thread that observes, and tells the labels: `request_id`, `trace_id`. Where it tells none
    /// there is no exemplar. They are rendered in [`Format::OpenMetrics`] only, and are those of this process.
    #[must_use]
    pub fn with_exemplars(mut self, tell: impl Fn(&mut ExemplarLabels) + Send + Sync + 'static) -> Self {
        self.exemplars = ExemplarSource::new(tell);
        self
    }

    /// Makes the recorder.
    pub fn build(self) -> CellRecorder {
        CellRecorder {
            registry: Arc::new(Registry::new(
                Memory::Process,
                self.buckets,
                self.exemplars,
                self.series_limit,
                self.slots,
            )),
        }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// A recorder whose memory does not grow with what is counted. Cloning it is cheap; clones are the same recorder.
///
/// See the [crate's docs](crate).
#[derive(Debug, Clone)]
pub struct CellRecorder {
    registry: Arc<Registry>,
}

impl CellRecorder {
    /// Makes a recorder with the defaults.
    pub fn new() -> Self {
        Builder::new().build()
    }

    /// Begins a recorder with other buckets, limits or exemplars.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Installs the recorder for the process, and returns it.
    ///
    /// # Errors
    ///
    /// If another recorder is installed already.
    pub fn install(self) -> Result<Self, SetRecorderError<Self>> {
        metrics::set_global_recorder(self.clone())?;
        Ok(self)
    }

    /// Returns what is counted now.
    pub fn snapshot(&self) -> Snapshot {
        gather::snapshot(&self.registry)
    }

    /// Renders what is counted now.
    pub fn render(&self, format: Format) -> String {
        self.snapshot().render(format)
    }

    fn register(&self, key: &Key, kind: Kind) -> Option<Cells> {
        let labels = Labels::new(key.labels().map(|label| (label.key(), label.value())));
        self.register_series(&valid_metric_name(key.name()), kind, labels)
    }

    fn register_series(&self, name: &str, kind: Kind, labels: Labels) -> Option<Cells> {
        match self.registry.register(name, kind, labels) {
            Ok(Registered { cells, overflow }) => {
                if overflow {
                    self.say(&names::OVERFLOWS, name);
                }
                Some(cells)
            }
            Err(refusal) => {
                self.say(
                    match refusal {
                        Refusal::Conflict => &names::CONFLICTS,
                        Refusal::Lost => &names::LOST,
                    },
                    name,
                );
                None
            }
        }
    }

    /// Counts something that the recorder has to say of a metric.
    fn say(&self, own: &names::Metric, metric: &str) {
        if own.name == metric {
            return;
        }
        self.registry.describe(own.name, own.unit, own.help);
        let labels = Labels::new([("metric", metric)]);
        if let Some(Cells::Counter(counter)) = self.register_series(own.name, own.kind, labels) {
            metrics::CounterFn::increment(&*counter, 1);
        }
    }
}

impl Default for CellRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder for CellRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.registry
            .describe(&valid_metric_name(name.as_str()), unit, &description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.registry
            .describe(&valid_metric_name(name.as_str()), unit, &description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.registry
            .describe(&valid_metric_name(name.as_str()), unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.register(key, Kind::Counter) {
            Some(Cells::Counter(counter)) => counter.into(),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.register(key, Kind::Gauge) {
            Some(Cells::Gauge(gauge)) => gauge.into(),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.register(key, Kind::Histogram) {
            Some(Cells::Histogram(histogram)) => histogram.into(),
            _ => Histogram::noop(),
        }
    }
}
