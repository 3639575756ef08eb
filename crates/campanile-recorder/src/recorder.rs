//! The recorder.

use std::{path::Path, sync::Arc};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::{
    DirectoryError, ExemplarLabels, Format, GaugeMode, Kind, Labels, Matcher, Profile, Snapshot,
    buckets::{Buckets, Rules},
    exemplars::ExemplarSource,
    gather,
    labels::valid_metric_name,
    memory::Memory,
    names,
    processes::Directory,
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
    gauge_modes: Rules<GaugeMode>,
}

impl Builder {
    /// Begins with the defaults.
    pub fn new() -> Self {
        Self {
            buckets: Buckets::new(),
            exemplars: ExemplarSource::default(),
            series_limit: SERIES_LIMIT,
            slots: SLOTS,
            gauge_modes: Rules::new(),
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

    /// Sets what becomes of some gauges where several processes count in one directory.
    ///
    /// By default they are sums, except: `process_*` and `runtime_*` are [`GaugeMode::PerProcess`]; `build_info`,
    /// `lifecycle_drain_seconds`, `*_limit` and `*_limit_bytes` are [`GaugeMode::Max`]. The closest matcher counts, as
    /// with buckets. A gauge has the mode that is set in the process that renders, else that of the process it is of.
    #[must_use]
    pub fn with_gauge_mode(mut self, matcher: Matcher, mode: GaugeMode) -> Self {
        self.gauge_modes.add(matcher, mode);
        self
    }

    /// Makes the recorder.
    pub fn build(self) -> CellRecorder {
        self.build_in(Memory::Process, None)
    }

    /// Makes a recorder that counts in a file of a directory, together with all processes that do so.
    ///
    /// A directory that is not there is made, for this user alone. It should be of one service, and of a local file
    /// system, best in memory (`/dev/shm`, `/run`): files on a disk are written to it now and then. See
    /// [many processes](crate#many-processes).
    ///
    /// # Errors
    ///
    /// Where the directory cannot be made, opened or written to, is full, or its file system knows no locks; and where
    /// this is not Unix. Once opened, what finds no room any more is refused and counted in
    /// `campanile_recorder_lost_registrations_total`.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<CellRecorder, DirectoryError> {
        let modes = self.gauge_modes.clone();
        let directory = Directory::open(directory.as_ref(), modes, self.series_limit)?;
        let memory = Memory::File(Arc::clone(directory.own()));
        Ok(self.build_in(memory, Some(Arc::new(directory))))
    }

    fn build_in(self, memory: Memory, directory: Option<Arc<Directory>>) -> CellRecorder {
        CellRecorder {
            registry: Arc::new(Registry::new(
                memory,
                self.buckets,
                self.exemplars,
                self.series_limit,
                self.slots,
            )),
            directory,
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
    pub(crate) directory: Option<Arc<Directory>>,
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

    /// Returns what is counted now, by all processes if they count in one directory.
    ///
    /// There it opens and maps files, and now and then writes one: off the async workers with it.
    pub fn snapshot(&self) -> Snapshot {
        match &self.directory {
            None => self.own_snapshot(),
            Some(directory) => {
                let mut snapshot = directory.snapshot();
                gather::add_exemplars(&mut snapshot, &self.registry);
                snapshot
            }
        }
    }

    /// Returns what this process has counted, also where it does so together with others: for what each of them sends
    /// by itself, to a statsd daemon for example.
    pub fn own_snapshot(&self) -> Snapshot {
        gather::snapshot(&self.registry)
    }

    /// Returns the directory in which this process counts together with others, if it does.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref().map(Directory::path)
    }

    /// Tells whether this process is the one that writes gauges of what the kernel owns and all share: the queue of a
    /// common listener, the cgroup, the pressure.
    ///
    /// Of the processes of a directory one is, from the first time it asks until it ends; then the next that asks. Ask
    /// before each writing. Without a directory it is always true.
    pub fn is_writer(&self) -> bool {
        self.directory.as_deref().is_none_or(Directory::is_writer)
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
            // There is no room for what should say that there is none.
            if own.name == names::LOST.name {
                self.registry.lose();
            }
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
