//! The metrics of the recorder itself. They appear when there is something to say.

use metrics::Unit;

use crate::Kind;

/// One line of the list.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<Unit>,
    pub(crate) help: &'static str,
}

/// Registrations of series beyond the limit.
pub(crate) const OVERFLOWS: Metric = Metric {
    name: "campanile_recorder_series_overflows_total",
    kind: Kind::Counter,
    unit: None,
    help: "Registrations that went to a metric's overflow series because it had as many series as allowed.",
};

/// Registrations of one name as two kinds.
pub(crate) const CONFLICTS: Metric = Metric {
    name: "campanile_recorder_kind_conflicts_total",
    kind: Kind::Counter,
    unit: None,
    help: "Registrations ignored because the name is taken by a metric of another kind.",
};

/// Registrations for which there was no memory.
pub(crate) const LOST: Metric = Metric {
    name: "campanile_recorder_lost_registrations_total",
    kind: Kind::Counter,
    unit: None,
    help: "Registrations ignored because there was no memory or no room on the disk for their counts.",
};

/// Processes whose counts are in the archive. It is counted there, in the same moment.
#[cfg(unix)]
pub(crate) const FOLDED: Metric = Metric {
    name: "campanile_recorder_folded_processes_total",
    kind: Kind::Counter,
    unit: None,
    help: "Processes that are gone, whose counts were moved to the archive.",
};

/// Files that a scrape left out.
#[cfg(unix)]
pub(crate) const SKIPPED_FILES: Metric = Metric {
    name: "campanile_recorder_skipped_files",
    kind: Kind::Gauge,
    unit: None,
    help: "Files of the directory that are not read now, by reason.",
};

/// Series that a scrape left out.
#[cfg(unix)]
pub(crate) const SKIPPED_SERIES: Metric = Metric {
    name: "campanile_recorder_skipped_series",
    kind: Kind::Gauge,
    unit: None,
    help: "Series left out now because other processes have the name as a metric of another kind.",
};
