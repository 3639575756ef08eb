//! Counts of sent and dropped lines.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use campanile_metrics::{Descriptor, LazyHandle, RecorderHandle};
use metrics::{Counter, Label, Recorder};

/// Counts of sent and dropped lines. Each line is in one of the first five, or still queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendStats {
    /// Lines that the kernel accepted. UDP does not report whether a daemon received them.
    pub lines_sent: u64,
    /// Lines dropped because the queue was full or the sender had ended.
    pub lines_queue_full: u64,
    /// Lines dropped because they are longer than a datagram.
    pub lines_too_long: u64,
    /// Lines dropped because their value is not finite.
    pub lines_not_finite: u64,
    /// Lines in datagrams that could not be sent.
    pub lines_failed: u64,
    /// Datagrams that the kernel accepted.
    pub datagrams_sent: u64,
    /// Errors of the socket. A connection refused belongs to an earlier datagram and is retried once, so there may be
    /// errors without failed lines.
    pub send_errors: u64,
    /// Lookups of the host that failed or found no suitable address.
    pub lookup_errors: u64,
}

impl SendStats {
    /// Returns the values in the order of [`SERIES`].
    fn values(&self) -> [u64; SERIES.len()] {
        [
            self.lines_sent,
            self.lines_queue_full,
            self.lines_too_long,
            self.lines_not_finite,
            self.lines_failed,
            self.datagrams_sent,
            self.send_errors,
            self.lookup_errors,
        ]
    }
}

/// The shared, atomic form of [`SendStats`].
#[derive(Debug, Default)]
pub(super) struct AtomicStats {
    pub(super) lines_sent: AtomicU64,
    pub(super) lines_queue_full: AtomicU64,
    pub(super) lines_too_long: AtomicU64,
    pub(super) lines_not_finite: AtomicU64,
    pub(super) lines_failed: AtomicU64,
    pub(super) datagrams_sent: AtomicU64,
    pub(super) send_errors: AtomicU64,
    pub(super) lookup_errors: AtomicU64,
}

pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl AtomicStats {
    pub(super) fn load(&self) -> SendStats {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SendStats {
            lines_sent: load(&self.lines_sent),
            lines_queue_full: load(&self.lines_queue_full),
            lines_too_long: load(&self.lines_too_long),
            lines_not_finite: load(&self.lines_not_finite),
            lines_failed: load(&self.lines_failed),
            datagrams_sent: load(&self.datagrams_sent),
            send_errors: load(&self.send_errors),
            lookup_errors: load(&self.lookup_errors),
        }
    }
}

/// The metrics of sending lines, recorded by the global recorder or that of
/// [`Statsd::with_recorder`](super::Statsd::with_recorder).
pub const METRICS: &[Descriptor] = &[
    LINES_SENT,
    LINES_DROPPED,
    LINES_FAILED,
    DATAGRAMS_SENT,
    SEND_ERRORS,
    LOOKUP_ERRORS,
];

const REASON: &str = "reason";

const LINES_SENT: Descriptor = Descriptor::counter(
    "campanile_statsd_lines_sent_total",
    None,
    "Statsd lines that the kernel accepted",
    &[],
);

const LINES_DROPPED: Descriptor = Descriptor::counter(
    "campanile_statsd_lines_dropped_total",
    None,
    "Statsd lines dropped before sending: `queue_full`, `too_long` for a datagram, or `not_finite`",
    &[REASON],
);

const LINES_FAILED: Descriptor = Descriptor::counter(
    "campanile_statsd_lines_failed_total",
    None,
    "Statsd lines in datagrams that could not be sent",
    &[],
);

const DATAGRAMS_SENT: Descriptor = Descriptor::counter(
    "campanile_statsd_datagrams_sent_total",
    None,
    "Statsd datagrams that the kernel accepted",
    &[],
);

const SEND_ERRORS: Descriptor = Descriptor::counter(
    "campanile_statsd_send_errors_total",
    None,
    "Errors of the socket to the statsd daemon",
    &[],
);

const LOOKUP_ERRORS: Descriptor = Descriptor::counter(
    "campanile_statsd_lookup_errors_total",
    None,
    "Lookups of the host of the statsd daemon without an address",
    &[],
);

/// The family of each counter, and the value of its label `reason`.
const SERIES: [(Descriptor, Option<&str>); 8] = [
    (LINES_SENT, None),
    (LINES_DROPPED, Some("queue_full")),
    (LINES_DROPPED, Some("too_long")),
    (LINES_DROPPED, Some("not_finite")),
    (LINES_FAILED, None),
    (DATAGRAMS_SENT, None),
    (SEND_ERRORS, None),
    (LOOKUP_ERRORS, None),
];

/// Copies the counts to a recorder.
pub(super) struct StatsPublisher {
    stats: Arc<AtomicStats>,
    recorder: RecorderHandle,
    counters: LazyHandle<[Counter; SERIES.len()]>,
    published: [u64; SERIES.len()],
}

impl StatsPublisher {
    pub(super) fn new(stats: Arc<AtomicStats>, recorder: RecorderHandle) -> Self {
        Self {
            stats,
            recorder,
            counters: LazyHandle::new(),
            published: [0; SERIES.len()],
        }
    }

    /// Adds the increments since the last call, once there is a recorder. Not by `absolute`, which some recorders
    /// ignore.
    pub(super) fn publish(&mut self) {
        let Some(counters) = self.counters.get(self.recorder, register) else {
            return;
        };
        let values = self.stats.load().values();
        for ((counter, value), published) in counters.iter().zip(values).zip(&mut self.published) {
            if value > *published {
                counter.increment(value - *published);
                *published = value;
            }
        }
    }
}

fn register(recorder: &dyn Recorder) -> [Counter; SERIES.len()] {
    SERIES.map(|(family, reason)| {
        let label = reason.map(|reason| Label::from_static_parts(REASON, reason));
        family.register(recorder, label.into_iter().collect())
    })
}

impl fmt::Debug for StatsPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatsPublisher").finish_non_exhaustive()
    }
}
