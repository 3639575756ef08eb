//! The builder of a recorder.

use std::{path::Path, sync::Arc};

use crate::{
    CellRecorder, DirectoryError, ExemplarLabels, GaugeMode, Labels, Matcher, Profile, buckets::BucketRules,
    exemplars::ExemplarSource, labels::valid_metric_name, matcher::MatchRules, names,
    processes::SharedDirectory, registry::Registry, storage::CellStorage,
};

/// The default number of threads with cells of their own.
const THREADS: usize = 256;
/// The default number of series per metric.
pub(crate) const SERIES_LIMIT: usize = 10_000;

/// Builds a [`CellRecorder`].
#[derive(Debug)]
#[must_use]
pub struct RecorderBuilder {
    buckets: BucketRules,
    exemplars: ExemplarSource,
    series_limit: usize,
    threads: usize,
    gauge_modes: MatchRules<GaugeMode>,
    unshared_without_space: bool,
}

impl RecorderBuilder {
    /// Creates a builder with the default settings.
    pub fn new() -> Self {
        Self {
            buckets: BucketRules::new(),
            exemplars: ExemplarSource::default(),
            series_limit: SERIES_LIMIT,
            threads: THREADS,
            gauge_modes: MatchRules::new(),
            unshared_without_space: false,
        }
    }

    /// Sets the upper bounds of the buckets of some histograms, in the unit in which they are recorded.
    ///
    /// Infinity is always added; duplicates and bounds that are not finite are ignored. The most specific matcher wins:
    /// names before prefixes before suffixes, longer ones before shorter ones, among equals the last.
    ///
    /// In a shared directory, observations with previous bounds are kept and merged: after a change, only the bounds that
    /// the old and the new set have in common are rendered, possibly just infinity. Change the directory together with
    /// the bounds.
    pub fn with_buckets(mut self, matcher: Matcher, bounds: &[f64]) -> Self {
        self.buckets.set(matcher, bounds);
        self
    }

    /// Sets the buckets of the histograms of a profile.
    pub fn with_profile_buckets(mut self, profile: &Profile) -> Self {
        for (name, bounds) in profile.buckets() {
            self.buckets.set(Matcher::name(valid_metric_name(name)), bounds);
        }
        self
    }

    /// Sets the maximum number of series per metric, 10,000 by default.
    ///
    /// Further series share one with the only label `otel_metric_overflow="true"`, and
    /// `campanile_recorder_series_overflows_total` counts their registrations.
    pub const fn with_series_limit(mut self, limit: usize) -> Self {
        self.series_limit = limit;
        self
    }

    /// Sets the maximum number of threads that have cells of their own at the same time, 256 by default.
    ///
    /// Further threads share cells and use atomic read-modify-write instructions: exact as well, but slower.
    pub const fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Enables exemplars: one per histogram bucket, replaced at most once a second.
    ///
    /// `labels` supplies labels such as `request_id` and `trace_id`; it is called by the observing thread and should
    /// be fast. Without labels, or if it panics, no exemplar is recorded in that second;
    /// `campanile_recorder_exemplar_panics_total` counts its panics. Exemplars are rendered
    /// in [`Format::OpenMetrics`](crate::Format::OpenMetrics) only, and are those of this process.
    pub fn with_exemplars(mut self, labels: impl Fn(&mut ExemplarLabels) + Send + Sync + 'static) -> Self {
        self.exemplars = ExemplarSource::new(labels);
        self
    }

    /// Sets how some gauges of the processes in a shared directory are combined.
    ///
    /// By default gauges are summed, except that `process_*` and `runtime_*` are [`GaugeMode::PerProcess`], and
    /// `build_info`, `lifecycle_drain_seconds`, `saturation_*`, `*_limit` and `*_limit_bytes` are [`GaugeMode::Max`]. The
    /// most specific matcher wins, as for buckets. A mode set in the rendering process overrides that of the process
    /// that recorded the gauge.
    pub fn with_gauge_mode(mut self, matcher: Matcher, mode: GaugeMode) -> Self {
        self.gauge_modes.add(matcher, mode);
        self
    }

    /// Sets whether [`open`](Self::open) records in private memory if the directory has no space, rather than failing; off
    /// by default.
    ///
    /// That is when the disk, its inodes or the quota are used up, or the file system or the directory is read-only. The
    /// service then starts, but each scrape sees the metrics of one process only. This is logged as a warning, and the
    /// gauge `campanile_recorder_unshared` is 1. A directory that cannot be trusted remains an error.
    pub const fn with_unshared_fallback(mut self, enabled: bool) -> Self {
        self.unshared_without_space = enabled;
        self
    }

    /// Builds a recorder with private memory.
    pub fn build(self) -> CellRecorder {
        CellRecorder::from_parts(self.registry(CellStorage::Private), None)
    }

    /// Builds a recorder that shares a directory with other processes. See [many processes](crate#many-processes), also
    /// for [the requirements on the directory](crate#the-directory).
    ///
    /// A directory that does not exist is created with mode 0700. In one that other users may write to, the subdirectory
    /// `campanile-UID` is used instead, which must belong to this user and have mode 0700.
    ///
    /// A thread of the recorder checks once a second that other processes still find the file of this one, and makes it
    /// again otherwise.
    ///
    /// # Errors
    ///
    /// If the directory cannot be created, opened or written to, belongs to another user, is full, or its file system
    /// does not support locks; and on systems that are not 64-bit Unix. Once the directory is open, registrations for
    /// which there is no space are ignored, and counted in `campanile_recorder_lost_registrations_total`.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<CellRecorder, DirectoryError> {
        let modes = self.gauge_modes.clone();
        let directory = match SharedDirectory::open(directory.as_ref(), modes, self.series_limit) {
            Ok(directory) => directory,
            Err(error) if self.unshared_without_space && error.is_lack_of_space() => {
                return Ok(self.build_unshared(&error));
            }
            Err(error) => return Err(error),
        };
        let registry = self.registry(CellStorage::Shared(Arc::clone(directory.process_file())));
        directory.start_checks(&registry)?;
        Ok(CellRecorder::from_parts(registry, Some(Arc::new(directory))))
    }

    /// Builds a recorder in private memory, because the shared directory has no space.
    fn build_unshared(self, error: &DirectoryError) -> CellRecorder {
        tracing::warn!(
            %error,
            "metrics are not shared: a scrape of this process lacks those of the others, and theirs lack its own"
        );
        let registry = self.registry(CellStorage::Private);
        let reason = Labels::new([("reason", error.reason())]);
        registry.set(&names::UNSHARED, reason, 1.0);
        CellRecorder::from_parts(registry, None)
    }

    fn registry(self, storage: CellStorage) -> Arc<Registry> {
        Registry::new(
            storage,
            self.buckets,
            self.exemplars,
            self.series_limit,
            self.threads,
        )
        .share()
    }
}

impl Default for RecorderBuilder {
    fn default() -> Self {
        Self::new()
    }
}
