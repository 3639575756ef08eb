//! The recorder's own metrics. They are rendered only once they have a value.

use metrics::Unit;

use crate::MetricKind;

/// A metric of the recorder itself.
pub(crate) struct OwnMetric {
    pub(crate) name: &'static str,
    pub(crate) kind: MetricKind,
    pub(crate) unit: Option<Unit>,
    pub(crate) help: &'static str,
}

/// Registrations beyond the series limit.
pub(crate) const OVERFLOWS: OwnMetric = OwnMetric {
    name: "campanile_recorder_series_overflows_total",
    kind: MetricKind::Counter,
    unit: None,
    help: "Registrations that went to a metric's overflow series because it had as many series as allowed.",
};

/// Registrations of a name with two kinds.
pub(crate) const CONFLICTS: OwnMetric = OwnMetric {
    name: "campanile_recorder_kind_conflicts_total",
    kind: MetricKind::Counter,
    unit: None,
    help: "Registrations ignored because the name belongs to a metric of another kind.",
};

/// Registrations without memory or disk space.
pub(crate) const LOST: OwnMetric = OwnMetric {
    name: "campanile_recorder_lost_registrations_total",
    kind: MetricKind::Counter,
    unit: None,
    help: "Registrations ignored for lack of memory or disk space.",
};

/// Panics of the closure that supplies exemplars.
pub(crate) const EXEMPLAR_PANICS: OwnMetric = OwnMetric {
    name: "campanile_recorder_exemplar_panics_total",
    kind: MetricKind::Counter,
    unit: None,
    help: "Panics of the closure that supplies the labels of exemplars.",
};

/// Exited processes whose counts are in the archive. Stored in the archive itself, so that both change together.
pub(crate) const ARCHIVED_PROCESSES: OwnMetric = OwnMetric {
    name: "campanile_recorder_folded_processes_total",
    kind: MetricKind::Counter,
    unit: None,
    help: "Exited processes whose counts were moved to the archive.",
};

/// Removals of the file of a live process.
pub(crate) const RESTORED_FILES: OwnMetric = OwnMetric {
    name: "campanile_recorder_restored_files_total",
    kind: MetricKind::Counter,
    unit: None,
    help: "Times that the file of a live process had been removed or truncated and was made again.",
};

/// Removals of the shared directory.
pub(crate) const RESTORED_DIRECTORIES: OwnMetric = OwnMetric {
    name: "campanile_recorder_restored_directories_total",
    kind: MetricKind::Counter,
    unit: None,
    help: "Times that the shared directory had been removed and was opened again.",
};

/// Whether this process shares no directory although it should.
pub(crate) const UNSHARED: OwnMetric = OwnMetric {
    name: "campanile_recorder_unshared",
    kind: MetricKind::Gauge,
    unit: None,
    help: "Whether this process records in private memory because the shared directory had no space, by reason.",
};

/// Files left out of a snapshot.
pub(crate) const SKIPPED_FILES: OwnMetric = OwnMetric {
    name: "campanile_recorder_skipped_files",
    kind: MetricKind::Gauge,
    unit: None,
    help: "Files of the shared directory that were skipped at this scrape, by reason.",
};

/// Series left out of a snapshot.
pub(crate) const SKIPPED_SERIES: OwnMetric = OwnMetric {
    name: "campanile_recorder_skipped_series",
    kind: MetricKind::Gauge,
    unit: None,
    help: "Series skipped at this scrape because the metric has another kind in other processes.",
};
