//! What becomes of one gauge in several processes.

#[cfg(unix)]
use crate::{Matcher, buckets::Rules};

/// What is rendered of a gauge that several living processes have. Those of the dead are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaugeMode {
    /// The sum: how much there is of it in all.
    Sum,
    /// The largest: for what is the same everywhere.
    Max,
    /// Each by itself, with a label `pid`, unless it has one.
    PerProcess,
}

/// Which gauges have which mode if none is set: sums, but for those that would mean nothing.
#[cfg(unix)]
pub(crate) fn default_rules() -> Rules<GaugeMode> {
    let mut rules = Rules::new();
    for end in ["_limit", "_limit_bytes"] {
        rules.add(Matcher::suffix(end), GaugeMode::Max);
    }
    for name in ["build_info", "lifecycle_drain_seconds"] {
        rules.add(Matcher::name(name), GaugeMode::Max);
    }
    // Shares of each process's own: two that are half full are not one that is full.
    rules.add(Matcher::prefix("saturation_"), GaugeMode::Max);
    for begin in ["process_", "runtime_"] {
        rules.add(Matcher::prefix(begin), GaugeMode::PerProcess);
    }
    rules
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn each_gauge_has_the_mode_that_means_something() {
        let rules = default_rules();
        for (name, mode) in [
            ("http_server_active_requests", None),
            ("lifecycle_phase", None),
            ("http_server_connection_limit", Some(GaugeMode::Max)),
            ("listener_backlog_limit", Some(GaugeMode::Max)),
            ("listener_backlog_pending", None),
            ("saturation_ratio", Some(GaugeMode::Max)),
            ("saturation_signal_ratio", Some(GaugeMode::Max)),
            ("build_info", Some(GaugeMode::Max)),
            ("lifecycle_drain_seconds", Some(GaugeMode::Max)),
            ("process_open_fds", Some(GaugeMode::PerProcess)),
            ("process_thread_limit", Some(GaugeMode::PerProcess)),
            ("runtime_workers", Some(GaugeMode::PerProcess)),
        ] {
            assert_eq!(rules.find(name).copied(), mode, "{name}");
        }
    }
}
