//! A layer around recorders that only pass on what comes.

use std::{
    collections::HashMap,
    fmt,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// Keeps the values that a recorder without memory lacks, and so makes it whole.
///
/// Recorders that send each event on, as metrics-exporter-statsd does, have no value to change, and drop
/// `Gauge::increment`, `Gauge::decrement` and `Counter::absolute` without a word. Around them this layer turns changes of a
/// gauge into its new value, and an absolute count into an increment by the difference. [`Self::resend`] sets all gauges
/// once more, for daemons that forget what is not repeated, and so that zeros and steady values are seen.
///
/// A change that is not finite, or would make the value so, is ignored. What a gauge is set to is passed on in any case,
/// but not kept: later changes are of the last finite value.
///
/// Equal keys share a value, and one handle of the inner recorder; memory is by series. Values are exact under threads: a
/// gauge's last set is its last value. Clones are the same recorder.
///
/// ```
/// use campanile_recorder::statsd::StatefulRecorder;
/// use metrics_exporter_statsd::StatsdBuilder;
///
/// let exporter = StatsdBuilder::from("127.0.0.1", 8125).build(Some("shop"))?;
/// let recorder = StatefulRecorder::new(exporter);
/// let gauges = recorder.clone(); // call `gauges.resend()` each 10 seconds
/// metrics::set_global_recorder(recorder)?;
///
/// metrics::gauge!("active").increment(1); // sends shop.active:1|g
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StatefulRecorder<R> {
    shared: Arc<Shared<R>>,
}

struct Shared<R> {
    inner: R,
    counters: Table<Arc<CounterCell>>,
    gauges: Table<Arc<GaugeCell>>,
    histograms: Table<Histogram>,
}

type Table<T> = RwLock<HashMap<Key, T>>;

impl<R> StatefulRecorder<R> {
    /// Makes the layer around `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            shared: Arc::new(Shared {
                inner,
                counters: Table::default(),
                gauges: Table::default(),
                histograms: Table::default(),
            }),
        }
    }

    /// Sets each gauge in the inner recorder to the value that it has; one that was only registered to zero.
    pub fn resend(&self) {
        self.resend_while(|| ControlFlow::Continue(()));
    }

    /// Resends, and asks before each gauge whether to go on.
    pub(super) fn resend_while(&self, mut goes_on: impl FnMut() -> ControlFlow<()>) {
        let gauges = self.shared.gauges.read().unwrap_or_else(PoisonError::into_inner);
        // Not under the lock, where it would keep new series waiting.
        let cells: Vec<_> = gauges.values().cloned().collect();
        drop(gauges);
        for cell in cells {
            if goes_on().is_break() {
                return;
            }
            cell.change(|value| value);
        }
    }

    /// Returns the recorder inside.
    pub fn inner(&self) -> &R {
        &self.shared.inner
    }
}

impl<R: Recorder> Recorder for StatefulRecorder<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner().describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner().describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner().describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(find_or_insert(&self.shared.counters, key, || {
            Arc::new(CounterCell {
                value: AtomicU64::new(0),
                inner: self.inner().register_counter(key, metadata),
            })
        }))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(find_or_insert(&self.shared.gauges, key, || {
            Arc::new(GaugeCell {
                value: Mutex::new(0.0),
                inner: self.inner().register_gauge(key, metadata),
            })
        }))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        find_or_insert(&self.shared.histograms, key, || {
            self.inner().register_histogram(key, metadata)
        })
    }
}

impl<R> Clone for StatefulRecorder<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<R> fmt::Debug for StatefulRecorder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatefulRecorder").finish_non_exhaustive()
    }
}

struct CounterCell {
    value: AtomicU64,
    inner: Counter,
}

impl CounterFn for CounterCell {
    fn increment(&self, value: u64) {
        self.value.fetch_add(value, Ordering::Relaxed);
        self.inner.increment(value);
    }

    fn absolute(&self, value: u64) {
        let before = self.value.fetch_max(value, Ordering::Relaxed);
        // One that is behind, or was overtaken by another thread, changes nothing, as the facade has it.
        if value > before {
            self.inner.increment(value - before);
        }
    }
}

struct GaugeCell {
    value: Mutex<f64>,
    inner: Gauge,
}

impl GaugeCell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(*value);
        // One that is not would stay so whatever is added.
        if changed.is_finite() {
            *value = changed;
            // Under the lock, so that values are set in the order in which they were.
            self.inner.set(changed);
        }
    }
}

impl GaugeFn for GaugeCell {
    fn increment(&self, value: f64) {
        self.change(|before| before + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|before| before - value);
    }

    fn set(&self, value: f64) {
        if value.is_finite() {
            self.change(|_| value);
        } else {
            let _in_order = self.value.lock().unwrap_or_else(PoisonError::into_inner);
            self.inner.set(value);
        }
    }
}

fn find_or_insert<T: Clone>(table: &Table<T>, key: &Key, make: impl FnOnce() -> T) -> T {
    let found = table
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(key)
        .cloned();
    found.unwrap_or_else(|| {
        let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
        table.entry(key.clone()).or_insert_with(make).clone()
    })
}
