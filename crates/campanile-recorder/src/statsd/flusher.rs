//! Sends the changes of a recorder each period.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc, thread, time::Instant};

use super::{
    SendStats, Stop,
    datagrams::Datagrams,
    duration_scale,
    line::LineStyle,
    queue::is_too_long,
    schedule::Schedule,
    stats::{AtomicStats, StatsPublisher, add},
};
use crate::{Family, Labels, Series, Snapshot, Value};

/// Sends the changes between consecutive [`Snapshot`]s, on a thread of the caller.
///
/// | series | lines per period |
/// |---|---|
/// | counter | the increment, if there is one; a lower value is taken for a restart, and all of it is new |
/// | gauge | the value, including zero |
/// | histogram | `.count` and `.sum` as counters, if there were observations; sums of durations in milliseconds |
///
/// While the host of the daemon has no address yet, changes add up, and are sent once it has one.
///
/// Processes that share a directory must each send their [`own_snapshot`](crate::CellRecorder::own_snapshot), since
/// daemons sum what they receive. Last values are kept for good: a series that is missing from a snapshot continues where
/// it was.
///
/// There is no `.mean`: as a gauge it would keep its value while nothing happens, and it can be computed from the two
/// counters. Quantiles cannot be computed from the buckets of many processes. `.count` and `.sum` are part of the name;
/// in the dotted format they are the last part, after the labels, which are sorted by name.
///
/// ```
/// use std::thread;
///
/// use campanile_recorder::{
///     CellRecorder,
///     statsd::{Dsn, LineFormat, Statsd, Stop},
/// };
///
/// let recorder = CellRecorder::new();
/// let flusher = Statsd::new(Dsn::udp("127.0.0.1:8125", "shop")?)
///     .with_format(LineFormat::CommaTags)
///     .with_tag("PID", std::process::id().to_string())
///     .with_wall_clock_periods(true)
///     .flusher({
///         let recorder = recorder.clone();
///         move || recorder.own_snapshot()
///     })?
///     .with_names(|family| Some(format!("runtime.{}", family.name.strip_prefix("runtime_")?).into()));
/// let stop = Stop::new();
/// let flushing = thread::spawn({
///     let stop = stop.clone();
///     move || flusher.run_blocking(&stop)
/// });
/// stop.stop();
/// flushing.join().expect("the flusher does not panic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Flusher<F> {
    snapshot: F,
    rename: Option<Box<RenameFn>>,
    style: LineStyle,
    datagrams: Datagrams,
    schedule: Schedule,
    stats: Arc<AtomicStats>,
    publisher: StatsPublisher,
    last: LastValues,
}

type RenameFn = dyn Fn(&Family) -> Option<Cow<'static, str>> + Send;

/// The last value of each counter, and count and sum of each histogram.
type LastValues = HashMap<(Arc<str>, Labels), (u64, f64)>;

impl<F: FnMut() -> Snapshot> Flusher<F> {
    pub(super) fn new(
        snapshot: F,
        style: LineStyle,
        datagrams: Datagrams,
        schedule: Schedule,
        stats: Arc<AtomicStats>,
        publisher: StatsPublisher,
    ) -> Self {
        Self {
            snapshot,
            rename: None,
            style,
            datagrams,
            schedule,
            stats,
            publisher,
            last: LastValues::new(),
        }
    }

    /// Sets the names of families in lines, without the prefix. `None` leaves a family out.
    ///
    /// Names in a snapshot are Prometheus names, which have underscores for dots; baseplate's names have both.
    #[must_use]
    pub fn with_names(
        mut self,
        names: impl Fn(&Family) -> Option<Cow<'static, str>> + Send + 'static,
    ) -> Self {
        self.rename = Some(Box::new(names));
        self
    }

    /// Takes the current values as the baseline, so that earlier counts, as of previous processes, are not sent.
    #[must_use]
    pub fn with_current_baseline(mut self) -> Self {
        self.last.extend(last_values(&(self.snapshot)()));
        self
    }

    /// Returns counts of sent and dropped lines.
    pub fn stats(&self) -> SendStats {
        self.stats.load()
    }

    /// Flushes each period until `stop` is triggered, then a last time, and returns.
    pub fn run_blocking(mut self, stop: &Stop) {
        stop.unpark_current_thread();
        let mut period_ends = self.schedule.next(Instant::now());
        while !stop.is_stopped() {
            let now = Instant::now();
            let has_address = self.datagrams.poll(now);
            if now >= period_ends {
                if has_address {
                    self.flush_until(stop);
                } else {
                    self.publisher.publish();
                }
                period_ends = self.schedule.next(now);
            } else {
                let next = self
                    .datagrams
                    .next_poll()
                    .map_or(period_ends, |next| next.min(period_ends));
                thread::park_timeout(next.saturating_duration_since(now));
            }
        }
        self.datagrams.poll_blocking();
        self.flush_until(stop);
    }

    /// Flushes once, for callers that schedule flushes themselves.
    ///
    /// If the address of the host is not known yet, it waits half a second for it; without one it sends nothing, and
    /// the next flush sends the changes of both periods.
    pub fn flush(&mut self) {
        if self.datagrams.poll_blocking() {
            self.flush_until(&Stop::new());
        } else {
            self.publisher.publish();
        }
    }

    fn flush_until(&mut self, stop: &Stop) {
        self.publisher.publish();
        let snapshot = (self.snapshot)();
        let mut lines = LineBuffer {
            lines: String::new(),
            max_line: self.datagrams.size(),
            stats: &self.stats,
        };
        for family in &snapshot.families {
            let name = match &self.rename {
                Some(rename) => rename(family),
                None => Some(Cow::Owned(family.name.to_string())),
            };
            let Some(name) = name else { continue };
            for series in &family.series {
                let key = (Arc::clone(&family.name), series.labels.clone());
                let last = self.last.get(&key).copied().unwrap_or_default();
                lines.push_series(&self.style, family, &name, series, last);
            }
        }
        // Values of missing series are kept: otherwise the whole count would be sent when they reappear.
        self.last.extend(last_values(&snapshot));
        self.datagrams.send(&lines.lines, true, stop);
    }
}

impl<F> fmt::Debug for Flusher<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flusher")
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

fn last_values(snapshot: &Snapshot) -> impl Iterator<Item = ((Arc<str>, Labels), (u64, f64))> {
    let all = snapshot.families.iter().flat_map(|family| {
        let key = |series: &Series| (Arc::clone(&family.name), series.labels.clone());
        family.series.iter().map(move |series| (key(series), series))
    });
    all.filter_map(|(key, series)| match &series.value {
        Value::Counter(value) => Some((key, (*value, 0.0))),
        Value::Histogram(distribution) => Some((key, (distribution.count(), distribution.sum))),
        Value::Gauge(_) => None,
    })
}

struct LineBuffer<'a> {
    lines: String,
    max_line: usize,
    stats: &'a AtomicStats,
}

impl LineBuffer<'_> {
    fn push_series(
        &mut self,
        style: &LineStyle,
        family: &Family,
        name: &str,
        series: &Series,
        last: (u64, f64),
    ) {
        let labels: Vec<_> = series.labels.iter().collect();
        let labels = || labels.iter().map(|(key, value)| (*key, value.as_ref()));
        match &series.value {
            Value::Counter(value) => {
                let value = value.checked_sub(last.0).unwrap_or(*value);
                if value > 0 {
                    let line = style.counter(name, labels());
                    self.push(1, |lines| line.count(value, lines));
                }
            }
            Value::Gauge(value) => {
                let line = style.series(name, "", labels());
                if self.is_finite(*value) {
                    self.push(line.gauge_lines(*value), |lines| line.gauge(*value, lines));
                }
            }
            Value::Histogram(distribution) => {
                let count = distribution.count();
                let (count, sum) = match count.checked_sub(last.0) {
                    Some(more) => (more, distribution.sum - last.1),
                    None => (count, distribution.sum),
                };
                if count == 0 {
                    return;
                }
                let line = style.series(name, ".count", labels());
                self.push(1, |lines| line.count(count, lines));
                if self.is_finite(sum) {
                    let line = style.series(name, ".sum", labels());
                    self.push(1, |lines| {
                        match duration_scale::milliseconds(&family.name, family.unit) {
                            Some(factor) => line.duration_sum(sum * factor, lines),
                            None => line.sum(sum, lines),
                        }
                    });
                }
            }
        }
    }

    fn push(&mut self, count: u64, write: impl FnOnce(&mut String)) {
        let start = self.lines.len();
        write(&mut self.lines);
        if is_too_long(&self.lines[start..], self.max_line) {
            self.lines.truncate(start);
            add(&self.stats.lines_too_long, count);
        } else {
            self.lines.push('\n');
        }
    }

    fn is_finite(&self, value: f64) -> bool {
        if !value.is_finite() {
            add(&self.stats.lines_not_finite, 1);
        }
        value.is_finite()
    }
}
