//! What sends the state of a recorder, each period.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc, thread, time::Instant};

use super::{
    Counts, Stop,
    counts::{Publisher, Tally, add},
    datagrams::Datagrams,
    line::Form,
    queue::is_too_long,
    scale,
    schedule::Schedule,
};
use crate::{Family, Labels, Series, Snapshot, Value};

/// Sends what changed between two [`Snapshot`]s, on a thread of the caller's.
///
/// | series | lines of each period |
/// |---|---|
/// | counter | what was counted, if something was; a value below the last is a restart, and all of it is new |
/// | gauge | the value, zeros too |
/// | histogram | `.count` and `.sum` as counters, if something was observed; sums of durations in milliseconds |
///
/// Where many processes count in one directory each sends its own, of
/// [`own_snapshot`](crate::CellRecorder::own_snapshot): daemons add up what comes. Last values are kept for good, so a
/// series that is missing from a snapshot goes on where it was.
///
/// There is no `.mean`: as a gauge it would stand while nothing happens, and it is the one counter by the other.
/// Quantiles cannot be had of buckets that many processes send. What stands behind `.` is a part of the name; in the
/// dotted form it is the last, behind the labels, which are sorted by name.
///
/// ```
/// use std::thread;
///
/// use campanile_recorder::{
///     CellRecorder,
///     statsd::{Dsn, Format, Statsd, Stop},
/// };
///
/// let recorder = CellRecorder::new();
/// let flusher = Statsd::new(Dsn::udp("127.0.0.1:8125", "shop")?)
///     .with_format(Format::CommaTags)
///     .with_tag("PID", std::process::id().to_string())
///     .with_periods_on_wall_clock()
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
    rename: Option<Box<Rename>>,
    form: Form,
    datagrams: Datagrams,
    schedule: Schedule,
    tally: Arc<Tally>,
    publisher: Publisher,
    last: Last,
}

type Rename = dyn Fn(&Family) -> Option<Cow<'static, str>> + Send;

/// What the counters were; of a histogram count and sum.
type Last = HashMap<(Arc<str>, Labels), (u64, f64)>;

impl<F: FnMut() -> Snapshot> Flusher<F> {
    pub(super) fn new(
        snapshot: F,
        form: Form,
        datagrams: Datagrams,
        schedule: Schedule,
        tally: Arc<Tally>,
        publisher: Publisher,
    ) -> Self {
        Self {
            snapshot,
            rename: None,
            form,
            datagrams,
            schedule,
            tally,
            publisher,
            last: Last::new(),
        }
    }

    /// Names the families on the wire, below the prefix. Nothing leaves one out.
    ///
    /// A snapshot has Prometheus' names, which tell no dot from an underscore; baseplate's names have both.
    #[must_use]
    pub fn with_names(
        mut self,
        names: impl Fn(&Family) -> Option<Cow<'static, str>> + Send + 'static,
    ) -> Self {
        self.rename = Some(Box::new(names));
        self
    }

    /// Leaves out what was counted so far, as by processes before this one.
    #[must_use]
    pub fn from_now(mut self) -> Self {
        self.last.extend(counted(&(self.snapshot)()));
        self
    }

    /// Returns what became of the lines so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Sends each period until stopped, then a last time, and returns.
    pub fn run_blocking(mut self, stop: &Stop) {
        stop.unpark_me();
        let mut period_ends = self.schedule.next(Instant::now());
        while !stop.is_stopped() {
            let now = Instant::now();
            if now >= period_ends {
                self.flush_until(stop);
                period_ends = self.schedule.next(now);
            } else {
                thread::park_timeout(period_ends - now);
            }
        }
        self.flush_until(stop);
    }

    /// Sends now what a period's end would, for those who keep their own time.
    pub fn flush(&mut self) {
        self.flush_until(&Stop::new());
    }

    fn flush_until(&mut self, stop: &Stop) {
        self.publisher.publish();
        let snapshot = (self.snapshot)();
        let mut lines = Buffer {
            lines: String::new(),
            longest: self.datagrams.size(),
            tally: &self.tally,
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
                lines.push_series(&self.form, family, &name, series, last);
            }
        }
        // What is missing stays: it would be sent whole when it comes again. Recorders keep their series for good, too.
        self.last.extend(counted(&snapshot));
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

fn counted(snapshot: &Snapshot) -> impl Iterator<Item = ((Arc<str>, Labels), (u64, f64))> {
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

struct Buffer<'a> {
    lines: String,
    longest: usize,
    tally: &'a Tally,
}

impl Buffer<'_> {
    fn push_series(&mut self, form: &Form, family: &Family, name: &str, series: &Series, last: (u64, f64)) {
        let labels: Vec<_> = series.labels.iter().collect();
        let labels = || labels.iter().map(|(key, value)| (*key, value.as_ref()));
        match &series.value {
            Value::Counter(value) => {
                let value = value.checked_sub(last.0).unwrap_or(*value);
                if value > 0 {
                    let line = form.counter(name, labels());
                    self.push(1, |lines| line.count(value, lines));
                }
            }
            Value::Gauge(value) => {
                let line = form.series(name, "", labels());
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
                let line = form.series(name, ".count", labels());
                self.push(1, |lines| line.count(count, lines));
                if self.is_finite(sum) {
                    let line = form.series(name, ".sum", labels());
                    self.push(1, |lines| match scale::milliseconds(&family.name, family.unit) {
                        Some(factor) => line.duration_sum(sum * factor, lines),
                        None => line.sum(sum, lines),
                    });
                }
            }
        }
    }

    fn push(&mut self, count: u64, write: impl FnOnce(&mut String)) {
        let start = self.lines.len();
        write(&mut self.lines);
        if is_too_long(&self.lines[start..], self.longest) {
            self.lines.truncate(start);
            add(&self.tally.lines_too_long, count);
        } else {
            self.lines.push('\n');
        }
    }

    fn is_finite(&self, value: f64) -> bool {
        if !value.is_finite() {
            add(&self.tally.lines_not_finite, 1);
        }
        value.is_finite()
    }
}
