//! What a recorder is made of.

use std::{path::Path, sync::Arc};

use crate::{
    CellRecorder, DirectoryError, ExemplarLabels, GaugeMode, Matcher, Profile,
    buckets::{Buckets, Rules},
    exemplars::ExemplarSource,
    labels::valid_metric_name,
    memory::Memory,
    processes::Directory,
    registry::Registry,
};

/// Threads that get words of their own; those beyond count in words that all share.
const SLOTS: usize = 256;
/// Series of one metric.
pub(crate) const SERIES_LIMIT: usize = 10_000;

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
    ///
    /// Where many processes count in one directory, what was counted with other bounds stays there and is merged: after a
    /// change of bounds only those that the old and the new have in common are rendered, for as long as the directory
    /// lives, if there are none the infinite one alone. Change them together with the directory.
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
    /// there is no exemplar of that second. It must not render nor observe, and should be quick. They are rendered in [`Format::OpenMetrics`](crate::Format::OpenMetrics) only, and are those
    /// of this process.
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
    /// A directory that is not there is made, for this user alone. It must be the user's own or root's, and nobody else
    /// should be able to write to it: whoever can also writes the counts. `/run/<service>` is best, as systemd's
    /// `RuntimeDirectory=` makes it. It should be of one service, and of a local file
    /// system, best in memory: files on a disk are written to it now and then. See
    /// [many processes](crate#many-processes).
    ///
    /// # Errors
    ///
    /// Where the directory cannot be made, opened or written to, is another user's, is full, or its file system knows no locks; and where
    /// this is not Unix. Once opened, what finds no room any more is refused and counted in
    /// `campanile_recorder_lost_registrations_total`.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<CellRecorder, DirectoryError> {
        let modes = self.gauge_modes.clone();
        let directory = Directory::open(directory.as_ref(), modes, self.series_limit)?;
        let memory = Memory::File(Arc::clone(directory.own()));
        Ok(self.build_in(memory, Some(directory)))
    }

    fn build_in(self, memory: Memory, directory: Option<Directory>) -> CellRecorder {
        let registry = Registry::new(
            memory,
            self.buckets,
            self.exemplars,
            self.series_limit,
            self.slots,
        );
        CellRecorder::of(registry, directory)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}
