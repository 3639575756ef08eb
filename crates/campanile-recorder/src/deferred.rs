//! Handles of series for which there was no space. They are registered later, when there is.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use std::time::{Duration, Instant};

use metrics::{CounterFn, GaugeFn, HistogramFn};

use crate::{
    Labels, MetricKind,
    handles::{CounterCells, GaugeCells, HistogramCells},
    registry::{Registry, SeriesCells},
};

/// How long no deferred series of a registry is tried after one found no space.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// When deferred series of a registry are tried again.
#[derive(Debug)]
pub(crate) struct RetryTimer {
    start: Instant,
    /// In milliseconds since the start.
    next: AtomicU64,
}

impl RetryTimer {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            next: AtomicU64::new(0),
        }
    }

    /// Returns whether it is time to try.
    fn is_due(&self) -> bool {
        self.now() >= self.next.load(Relaxed)
    }

    /// Notes that there is no space.
    pub(crate) fn defer(&self) {
        let next = self.now() + RETRY_INTERVAL.as_millis() as u64;
        self.next.store(next, Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A series without cells, and what was recorded in it so far.
#[derive(Debug)]
struct DeferredSeries<C, P> {
    name: Arc<str>,
    labels: Labels,
    kind: MetricKind,
    registry: Weak<Registry>,
    cells: OnceLock<Arc<C>>,
    pending: Mutex<P>,
}

impl<C, P: Default> DeferredSeries<C, P> {
    fn new(registry: Weak<Registry>, name: &str, kind: MetricKind, labels: Labels) -> Self {
        Self {
            name: name.into(),
            labels,
            kind,
            registry,
            cells: OnceLock::new(),
            pending: Mutex::default(),
        }
    }

    /// Records in the cells, or else in what is pending. `apply` moves that to the cells once the series has some.
    fn record(
        &self,
        direct: impl FnOnce(&C),
        defer: impl FnOnce(&mut P),
        convert: impl FnOnce(SeriesCells) -> Option<Arc<C>>,
        apply: impl FnOnce(&C, P),
    ) {
        if let Some(cells) = self.cells.get() {
            return direct(cells);
        }
        let mut pending = self.pending();
        if let Some(cells) = self.cells.get() {
            drop(pending);
            return direct(cells);
        }
        defer(&mut pending);
        if let Some(cells) = self.register().and_then(convert) {
            apply(&cells, std::mem::take(&mut pending));
            let _ = self.cells.set(cells);
        }
    }

    fn register(&self) -> Option<SeriesCells> {
        let registry = self.registry.upgrade()?;
        if !registry.retry_timer().is_due() {
            return None;
        }
        registry.register_deferred(&self.name, self.kind, self.labels.clone())
    }

    fn pending(&self) -> MutexGuard<'_, P> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A counter without cells. It loses no count.
#[derive(Debug)]
pub(crate) struct DeferredCounter(DeferredSeries<CounterCells, PendingCount>);

#[derive(Debug, Default)]
struct PendingCount {
    count: u64,
    /// The largest value that it was raised to.
    absolute: u64,
}

impl DeferredCounter {
    pub(crate) fn new(registry: Weak<Registry>, name: &str, labels: Labels) -> Self {
        Self(DeferredSeries::new(registry, name, MetricKind::Counter, labels))
    }

    fn record(&self, direct: impl FnOnce(&CounterCells), defer: impl FnOnce(&mut PendingCount)) {
        let convert = |cells| match cells {
            SeriesCells::Counter(counter) => Some(counter),
            SeriesCells::Gauge(_) | SeriesCells::Histogram(_) => None,
        };
        self.0.record(direct, defer, convert, |counter, pending| {
            counter.absolute(pending.absolute);
            counter.increment(pending.count);
        });
    }
}

impl CounterFn for DeferredCounter {
    fn increment(&self, value: u64) {
        self.record(
            |counter| counter.increment(value),
            |pending| pending.count = pending.count.wrapping_add(value),
        );
    }

    fn absolute(&self, value: u64) {
        self.record(
            |counter| counter.absolute(value),
            |pending| {
                // The increments so far are part of the value.
                if value >= pending.absolute.saturating_add(pending.count) {
                    *pending = PendingCount {
                        count: 0,
                        absolute: value,
                    };
                }
            },
        );
    }
}

/// A gauge without cells. It has its present value once it has some.
#[derive(Debug)]
pub(crate) struct DeferredGauge(DeferredSeries<GaugeCells, PendingGauge>);

#[derive(Debug, Default)]
struct PendingGauge {
    set: Option<f64>,
    /// The changes since it was set.
    change: f64,
}

impl DeferredGauge {
    pub(crate) fn new(registry: Weak<Registry>, name: &str, labels: Labels) -> Self {
        Self(DeferredSeries::new(registry, name, MetricKind::Gauge, labels))
    }

    fn record(&self, direct: impl FnOnce(&GaugeCells), defer: impl FnOnce(&mut PendingGauge)) {
        let convert = |cells| match cells {
            SeriesCells::Gauge(gauge) => Some(gauge),
            SeriesCells::Counter(_) | SeriesCells::Histogram(_) => None,
        };
        self.0
            .record(direct, defer, convert, |gauge, pending| match pending.set {
                Some(value) => gauge.set(value + pending.change),
                None => gauge.increment(pending.change),
            });
    }

    fn change(&self, value: f64) {
        self.record(
            |gauge| gauge.increment(value),
            |pending| {
                if (pending.change + value).is_finite() {
                    pending.change += value;
                }
            },
        );
    }
}

impl GaugeFn for DeferredGauge {
    fn increment(&self, value: f64) {
        self.change(value);
    }

    fn decrement(&self, value: f64) {
        self.change(-value);
    }

    fn set(&self, value: f64) {
        self.record(
            |gauge| gauge.set(value),
            |pending| {
                *pending = PendingGauge {
                    set: Some(value),
                    change: 0.0,
                };
            },
        );
    }
}

/// A histogram without cells. Observations are lost until it has some, except the one that it is registered with.
#[derive(Debug)]
pub(crate) struct DeferredHistogram(DeferredSeries<HistogramCells, Option<(f64, usize)>>);

impl DeferredHistogram {
    pub(crate) fn new(registry: Weak<Registry>, name: &str, labels: Labels) -> Self {
        Self(DeferredSeries::new(registry, name, MetricKind::Histogram, labels))
    }
}

impl HistogramFn for DeferredHistogram {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, times: usize) {
        let convert = |cells| match cells {
            SeriesCells::Histogram(histogram) => Some(histogram),
            SeriesCells::Counter(_) | SeriesCells::Gauge(_) => None,
        };
        self.0.record(
            |histogram| histogram.record_many(value, times),
            |pending| *pending = Some((value, times)),
            convert,
            |histogram, pending| {
                if let Some((value, times)) = pending {
                    histogram.record_many(value, times);
                }
            },
        );
    }
}
