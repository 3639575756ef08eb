//! How a gauge of several processes is combined.

use crate::matcher::{MatchRules, Matcher};

/// How the values of a gauge in several live processes are combined.
///
/// Gauges of processes that have exited are not rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaugeMode {
    /// Renders the sum, as for connections in use.
    Sum,
    /// Renders the maximum, as for a limit that is the same in every process.
    Max,
    /// Renders one series per process, with a label `pid` unless the gauge has another one already. It is unique: the second
    /// live process with the pid 7, as in another container, has the label `7-2`.
    PerProcess,
}

impl GaugeMode {
    /// Returns the modes of well-known gauges; all others are summed.
    pub(crate) fn default_rules() -> MatchRules<Self> {
        let mut rules = MatchRules::new();
        for suffix in ["_limit", "_limit_bytes"] {
            rules.add(Matcher::suffix(suffix), Self::Max);
        }
        for name in ["build_info", "lifecycle_drain_seconds"] {
            rules.add(Matcher::name(name), Self::Max);
        }
        // Ratios: two processes at one half are not one at its limit.
        rules.add(Matcher::prefix("saturation_"), Self::Max);
        for prefix in ["process_", "runtime_"] {
            rules.add(Matcher::prefix(prefix), Self::PerProcess);
        }
        rules
    }

    /// Returns the code of the mode in a file.
    pub(crate) const fn code(self) -> u64 {
        match self {
            Self::Sum => 0,
            Self::Max => 1,
            Self::PerProcess => 2,
        }
    }

    /// Returns the mode of a code; modes of later versions are treated as [`Self::Sum`].
    pub(crate) const fn from_code(code: u64) -> Self {
        match code {
            1 => Self::Max,
            2 => Self::PerProcess,
            _ => Self::Sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_gauges_have_default_modes() {
        let rules = GaugeMode::default_rules();
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
