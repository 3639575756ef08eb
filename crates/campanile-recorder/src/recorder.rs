//! The recorder.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Weak},
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SetRecorderError, SharedString, Unit,
};

use crate::{
    Format, Labels, MetricKind, RecorderBuilder, Snapshot,
    deferred::{DeferredCounter, DeferredGauge, DeferredHistogram},
    labels::valid_metric_name,
    processes::SharedDirectory,
    registry::{RegisterError, Registry, SeriesCells},
};

/// A recorder whose memory depends on the number of series, not on the number of observations.
///
/// Clones are cheap and share their series. See the [crate docs](crate).
#[derive(Debug, Clone)]
pub struct CellRecorder {
    registry: Arc<Registry>,
    pub(crate) directory: Option<Arc<SharedDirectory>>,
}

/// A registration that was refused.
struct Refused {
    error: RegisterError,
    name: Box<str>,
    labels: Labels,
}

impl CellRecorder {
    pub(crate) const fn from_parts(registry: Arc<Registry>, directory: Option<Arc<SharedDirectory>>) -> Self {
        Self { registry, directory }
    }

    /// Creates a recorder with the default settings.
    pub fn new() -> Self {
        RecorderBuilder::new().build()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder::new()
    }

    /// Installs the recorder as the global recorder, and returns it.
    ///
    /// # Errors
    ///
    /// If a global recorder is installed already.
    pub fn install(self) -> Result<Self, SetRecorderError<Self>> {
        metrics::set_global_recorder(self.clone())?;
        Ok(self)
    }

    /// Returns the current values, in a shared directory the totals of all processes.
    ///
    /// With a shared directory this opens, maps and sometimes writes files: call it from a blocking thread. If the system
    /// runs out of file descriptors or memory, new processes are missing and totals may be lower than before; see
    /// [`try_snapshot`](Self::try_snapshot).
    pub fn snapshot(&self) -> Snapshot {
        match &self.directory {
            None => self.own_snapshot(),
            Some(directory) => self.with_exemplars(directory.snapshot()),
        }
    }

    /// Returns the current values, or an error if those of other processes are temporarily missing.
    ///
    /// Respond to a scrape with 503 in that case: a missing scrape is harmless, a total that falls looks like a restart.
    /// Files that cannot be read for good, such as damaged ones, are not an error; `campanile_recorder_skipped_files`
    /// counts them.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed, or the system is out of file descriptors or memory. Never without a shared
    /// directory.
    pub fn try_snapshot(&self) -> io::Result<Snapshot> {
        match &self.directory {
            None => Ok(self.own_snapshot()),
            Some(directory) => Ok(self.with_exemplars(directory.try_snapshot()?)),
        }
    }

    fn with_exemplars(&self, mut snapshot: Snapshot) -> Snapshot {
        self.registry.add_exemplars(&mut snapshot);
        snapshot
    }

    /// Returns the current values of this process alone, for example to send them to a statsd daemon.
    pub fn own_snapshot(&self) -> Snapshot {
        self.registry.snapshot()
    }

    /// Returns the shared directory, if there is one.
    ///
    /// It is a subdirectory of the one that was opened if other users may write to that.
    pub fn directory(&self) -> Option<PathBuf> {
        self.directory.as_deref().map(SharedDirectory::path)
    }

    /// Returns whether this process should record gauges of kernel state that all processes share, such as the accept
    /// queue of a common listener, cgroup limits or pressure.
    ///
    /// In a shared directory that is the first process that calls this, until it exits; then the next that calls it.
    /// Check it before each update. It is false in a forked child that has not called exec, and always true without a
    /// shared directory.
    pub fn is_writer(&self) -> bool {
        self.directory.as_deref().is_none_or(SharedDirectory::is_writer)
    }

    /// Renders the current values.
    pub fn render(&self, format: Format) -> String {
        self.snapshot().render(format)
    }

    fn register(&self, key: &Key, kind: MetricKind) -> Result<SeriesCells, Refused> {
        let labels = Labels::for_series(key.labels().map(|label| (label.key(), label.value())), kind);
        let name = valid_metric_name(key.name());
        let registered = self.registry.register_series(&name, kind, labels.clone());
        registered.map_err(|error| Refused {
            error,
            name: (&*name).into(),
            labels,
        })
    }

    fn registry(&self) -> Weak<Registry> {
        self.registry.weak()
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, description: &str) {
        self.registry
            .describe(&valid_metric_name(name.as_str()), unit, description);
    }
}

impl Default for CellRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder for CellRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.register(key, MetricKind::Counter) {
            Ok(SeriesCells::Counter(counter)) => counter.into(),
            Err(Refused {
                error: RegisterError::NoSpace,
                name,
                labels,
            }) => Counter::from_arc(Arc::new(DeferredCounter::new(self.registry(), &name, labels))),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.register(key, MetricKind::Gauge) {
            Ok(SeriesCells::Gauge(gauge)) => gauge.into(),
            Err(Refused {
                error: RegisterError::NoSpace,
                name,
                labels,
            }) => Gauge::from_arc(Arc::new(DeferredGauge::new(self.registry(), &name, labels))),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.register(key, MetricKind::Histogram) {
            Ok(SeriesCells::Histogram(histogram)) => histogram.into(),
            Err(Refused {
                error: RegisterError::NoSpace,
                name,
                labels,
            }) => Histogram::from_arc(Arc::new(DeferredHistogram::new(self.registry(), &name, labels))),
            _ => Histogram::noop(),
        }
    }
}
