//! Counts of sent and dropped lines.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Key, Label, Level, Metadata, Recorder};

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

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
}

impl SendStats {
    /// Returns the values in the order of [`METRICS`].
    fn values(&self) -> [u64; METRICS.len()] {
        [
            self.lines_sent,
            self.lines_queue_full,
            self.lines_too_long,
            self.lines_not_finite,
            self.lines_failed,
            self.datagrams_sent,
            self.send_errors,
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
        }
    }
}

const LINES_DROPPED: &str = "campanile_statsd_lines_dropped_total";
const DROPPED: &str = "Statsd lines dropped before sending, by reason.";

/// The name of each counter, the value of its label `reason`, and its help.
const METRICS: [(&str, Option<&str>, &str); 7] = [
    (
        "campanile_statsd_lines_sent_total",
        None,
        "Statsd lines that were sent.",
    ),
    (LINES_DROPPED, Some("queue_full"), DROPPED),
    (LINES_DROPPED, Some("too_long"), DROPPED),
    (LINES_DROPPED, Some("not_finite"), DROPPED),
    (
        "campanile_statsd_lines_failed_total",
        None,
        "Statsd lines in datagrams that could not be sent.",
    ),
    (
        "campanile_statsd_datagrams_sent_total",
        None,
        "Statsd datagrams that were sent.",
    ),
    (
        "campanile_statsd_send_errors_total",
        None,
        "Errors of the socket to the statsd daemon.",
    ),
];

/// Copies the counts to a recorder.
pub(super) struct StatsPublisher {
    stats: Arc<AtomicStats>,
    counters: Vec<Counter>,
    published: [u64; METRICS.len()],
}

impl StatsPublisher {
    /// Creates a publisher, which does nothing without a recorder.
    pub(super) fn new(stats: Arc<AtomicStats>, recorder: Option<&(dyn Recorder + Send + Sync)>) -> Self {
        let counters = recorder.map_or_else(Vec::new, |recorder| {
            let register = |(name, reason, help): (&'static str, Option<&'static str>, &'static str)| {
                recorder.describe_counter(name.into(), None, help.into());
                let labels: Vec<_> = reason
                    .map(|reason| Label::from_static_parts("reason", reason))
                    .into_iter()
                    .collect();
                recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
            };
            METRICS.map(register).into()
        });
        Self {
            stats,
            counters,
            published: [0; METRICS.len()],
        }
    }

    /// Adds the increments since the last call. Not by `absolute`, which some recorders ignore.
    pub(super) fn publish(&mut self) {
        let values = self.stats.load().values();
        for ((counter, value), published) in self.counters.iter().zip(values).zip(&mut self.published) {
            if value > *published {
                counter.increment(value - *published);
                *published = value;
            }
        }
    }
}

impl fmt::Debug for StatsPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatsPublisher").finish_non_exhaustive()
    }
}
