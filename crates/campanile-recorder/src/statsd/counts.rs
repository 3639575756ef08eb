//! What became of the lines.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Key, Label, Level, Metadata, Recorder, Unit};

use super::names;

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// What became of the lines so far. Each line is in one of the first five, or still waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Lines that the kernel took. Whether somebody received them, UDP does not tell.
    pub lines_sent: u64,
    /// Lines that were dropped since the queue was full, or the drainer had ended.
    pub lines_queue_full: u64,
    /// Lines that were dropped since one alone is longer than a datagram may be.
    pub lines_too_long: u64,
    /// Lines that were dropped since their value is no finite number.
    pub lines_not_finite: u64,
    /// Lines in datagrams that could not be sent.
    pub lines_failed: u64,
    /// Datagrams that the kernel took.
    pub datagrams_sent: u64,
    /// Errors of the socket. A refusal tells of an earlier datagram, and the one that met it is tried once more; so there
    /// may be errors though no line failed.
    pub send_errors: u64,
}

/// [`Counts`] that are counted by many.
#[derive(Debug, Default)]
pub(super) struct Tally {
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

impl Tally {
    pub(super) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            lines_sent: read(&self.lines_sent),
            lines_queue_full: read(&self.lines_queue_full),
            lines_too_long: read(&self.lines_too_long),
            lines_not_finite: read(&self.lines_not_finite),
            lines_failed: read(&self.lines_failed),
            datagrams_sent: read(&self.datagrams_sent),
            send_errors: read(&self.send_errors),
        }
    }
}

impl Counts {
    /// The values in the order of [`FAMILIES`].
    fn values(&self) -> [u64; FAMILIES.len()] {
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

/// Name, reason and help of each count.
const FAMILIES: [(&str, Option<&str>, &str); 7] = [
    (names::LINES_SENT, None, "Lines of statsd that were sent."),
    (names::LINES_DROPPED, Some("queue_full"), DROPPED),
    (names::LINES_DROPPED, Some("too_long"), DROPPED),
    (names::LINES_DROPPED, Some("not_finite"), DROPPED),
    (
        names::LINES_FAILED,
        None,
        "Lines of statsd in datagrams that could not be sent.",
    ),
    (names::DATAGRAMS_SENT, None, "Datagrams of statsd that were sent."),
    (
        names::SEND_ERRORS,
        None,
        "Errors of the socket to the statsd daemon.",
    ),
];
const DROPPED: &str = "Lines of statsd that were dropped before sending, by reason.";

/// Tells a recorder of the counts.
pub(super) struct Publisher {
    tally: Arc<Tally>,
    counters: Vec<Counter>,
    published: [u64; FAMILIES.len()],
}

impl Publisher {
    /// Publishes nothing if there is no recorder.
    pub(super) fn new(tally: Arc<Tally>, recorder: Option<&'static (dyn Recorder + Sync)>) -> Self {
        let counters = recorder.map_or_else(Vec::new, |recorder| {
            let register = |(name, reason, help): (&'static str, Option<&'static str>, &'static str)| {
                recorder.describe_counter(name.into(), Some(Unit::Count), help.into());
                let labels: Vec<_> = reason
                    .map(|reason| Label::from_static_parts(names::REASON, reason))
                    .into_iter()
                    .collect();
                recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
            };
            FAMILIES.map(register).into()
        });
        Self {
            tally,
            counters,
            published: [0; FAMILIES.len()],
        }
    }

    /// Adds what has come since the last time. Not `absolute`, which some recorders ignore.
    pub(super) fn publish(&mut self) {
        let values = self.tally.counts().values();
        for ((counter, value), published) in self.counters.iter().zip(values).zip(&mut self.published) {
            if value > *published {
                counter.increment(value - *published);
                *published = value;
            }
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
