//! The recorder.

use std::{io, path::Path, sync::Arc};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SetRecorderError, SharedString, Unit,
};

use crate::{
    Builder, Format, Kind, Labels, Snapshot, gather,
    labels::valid_metric_name,
    names,
    processes::Directory,
    registry::{Cells, Refusal, Registered, Registry},
};

/// A recorder whose memory does not grow with what is counted. Cloning it is cheap; clones are the same recorder.
///
/// See the [crate's docs](crate).
#[derive(Debug, Clone)]
pub struct CellRecorder {
    registry: Arc<Registry>,
    pub(crate) directory: Option<Arc<Directory>>,
}

impl CellRecorder {
    pub(crate) fn of(registry: Registry, directory: Option<Directory>) -> Self {
        Self {
            registry: Arc::new(registry),
            directory: directory.map(Arc::new),
        }
    }

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

    /// Returns what is counted now, by all processes if they count in one directory.
    ///
    /// There it opens and maps files, and now and then writes one: off the async workers with it. While the system has
    /// no descriptor or no memory left for that, what is known of the other processes counts on and new ones are missing,
    /// so that totals may be lower than before; [`try_snapshot`](Self::try_snapshot) tells.
    pub fn snapshot(&self) -> Snapshot {
        match &self.directory {
            None => self.own_snapshot(),
            Some(directory) => self.with_exemplars(directory.snapshot()),
        }
    }

    /// Returns what is counted now, or an error where something of the other processes is missing from it that may be
    /// there the next time. Whoever can answer a scrape by 503 does so with it: a scrape that is missing misleads nobody,
    /// a total that falls does.
    ///
    /// Files that no later scrape can read either, damaged ones for instance, are no error:
    /// `campanile_recorder_skipped_files` counts them.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be listed, or there is no descriptor or no memory left for a file in it. Never without
    /// a directory.
    pub fn try_snapshot(&self) -> io::Result<Snapshot> {
        match &self.directory {
            None => Ok(self.own_snapshot()),
            Some(directory) => Ok(self.with_exemplars(directory.try_snapshot()?)),
        }
    }

    fn with_exemplars(&self, mut snapshot: Snapshot) -> Snapshot {
        gather::add_exemplars(&mut snapshot, &self.registry);
        snapshot
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
    /// before each writing. A child that was forked and runs no other program is not, whatever its parent is. Without a
    /// directory it is always true.
    pub fn is_writer(&self) -> bool {
        self.directory.as_deref().is_none_or(Directory::is_writer)
    }

    /// Renders what is counted now.
    pub fn render(&self, format: Format) -> String {
        self.snapshot().render(format)
    }

    fn register(&self, key: &Key, kind: Kind) -> Option<Cells> {
        let labels = Labels::of_series(key.labels().map(|label| (label.key(), label.value())), kind);
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
