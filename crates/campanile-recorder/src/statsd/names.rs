//! The metrics of the statsd part: the only file that spells their names.

pub(super) const LINES_SENT: &str = "campanile_statsd_lines_sent_total";
pub(super) const LINES_DROPPED: &str = "campanile_statsd_lines_dropped_total";
pub(super) const LINES_FAILED: &str = "campanile_statsd_lines_failed_total";
pub(super) const DATAGRAMS_SENT: &str = "campanile_statsd_datagrams_sent_total";
pub(super) const SEND_ERRORS: &str = "campanile_statsd_send_errors_total";

/// The label that says why a line was dropped.
pub(super) const REASON: &str = "reason";
