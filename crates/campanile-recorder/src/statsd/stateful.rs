//! A recorder that keeps the values that its inner recorder does not.

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

/// Keeps the values of counters and gauges for a recorder that only forwards events.
///
/// Such recorders, for example metrics-exporter-statsd, silently ignore `Gauge::increment`, `Gauge::decrement` and
/// `Counter::absolute`, since they have no value to change. This recorder converts changes of a gauge to its new value,
/// and an absolute count to an increment. [`Self::resend`] repeats all gauges, for daemons that forget values that are
/// not repeated, and so that zeros and constant values are visible.
///
/// A change that is not finite, or would make the value so, is ignored. A gauge set to such a value is forwarded, but not
/// kept: later changes apply to the last finite value.
///
/// Equal keys share a value and a handle of the inner recorder, and memory grows with the number of series. Values are
/// exact with concurrent threads: the last value sent is the last value set. Clones share their state.
///
/// ```
/// use campanile_recorder::statsd::StatefulRecorder;
/// use metrics_exporter_statsd::StatsdBuilder;
///
/// let exporter = StatsdBuilder::from("127.0.0.1", 8125).build(Some("shop"))?;
/// let recorder = StatefulRecorder::new(exporter);
/// let gauges = recorder.clone(); // call `gauges.resend()` every 10 seconds
/// metrics::set_global_recorder(recorder)?;
///
/// metrics::gauge!("active").increment(1); // sends shop.active:1|g
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StatefulRecorder<R> {
    state: Arc<RecorderState<R>>,
}

struct RecorderState<R> {
    inner: R,
    counters: HandleMap<Arc<StatefulCounter>>,
    gauges: HandleMap<Arc<StatefulGauge>>,
    histograms: HandleMap<Histogram>,
}

type HandleMap<T> = RwLock<HashMap<Key, T>>;

impl<R> StatefulRecorder<R> {
    /// Wraps `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            state: Arc::new(RecorderState {
                inner,
                counters: HandleMap::default(),
                gauges: HandleMap::default(),
                histograms: HandleMap::default(),
            }),
        }
    }

    /// Sets each gauge of the inner recorder to its current value, zero if it was only registered.
    pub fn resend(&self) {
        self.resend_while(|| ControlFlow::Continue(()));
    }

    /// Resends gauges until `proceed`, called before each, breaks.
    pub(super) fn resend_while(&self, mut proceed: impl FnMut() -> ControlFlow<()>) {
        let gauges = self.state.gauges.read().unwrap_or_else(PoisonError::into_inner);
        // Collected first, so that the lock does not block registrations.
        let cells: Vec<_> = gauges.values().cloned().collect();
        drop(gauges);
        for cell in cells {
            if proceed().is_break() {
                return;
            }
            cell.change(|value| value);
        }
    }

    /// Returns the inner recorder.
    pub fn get_ref(&self) -> &R {
        &self.state.inner
    }
}

impl<R: Recorder> Recorder for StatefulRecorder<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.get_ref().describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.get_ref().describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.get_ref().describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(find_or_insert(&self.state.counters, key, || {
            Arc::new(StatefulCounter {
                value: AtomicU64::new(0),
                inner: self.get_ref().register_counter(key, metadata),
            })
        }))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(find_or_insert(&self.state.gauges, key, || {
            Arc::new(StatefulGauge {
                value: Mutex::new(0.0),
                inner: self.get_ref().register_gauge(key, metadata),
            })
        }))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        find_or_insert(&self.state.histograms, key, || {
            self.get_ref().register_histogram(key, metadata)
        })
    }
}

impl<R> Clone for StatefulRecorder<R> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
        }
    }
}

impl<R> fmt::Debug for StatefulRecorder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatefulRecorder").finish_non_exhaustive()
    }
}

struct StatefulCounter {
    value: AtomicU64,
    inner: Counter,
}

impl CounterFn for StatefulCounter {
    fn increment(&self, value: u64) {
        self.value.fetch_add(value, Ordering::Relaxed);
        self.inner.increment(value);
    }

    fn absolute(&self, value: u64) {
        let before = self.value.fetch_max(value, Ordering::Relaxed);
        // As the facade requires, a lower value changes nothing, nor does one that another thread has exceeded.
        if value > before {
            self.inner.increment(value - before);
        }
    }
}

struct StatefulGauge {
    value: Mutex<f64>,
    inner: Gauge,
}

impl StatefulGauge {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(*value);
        // A value that is not finite would remain so.
        if changed.is_finite() {
            *value = changed;
            // Under the lock, so that values are sent in the order of the changes.
            self.inner.set(changed);
        }
    }
}

impl GaugeFn for StatefulGauge {
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

fn find_or_insert<T: Clone>(table: &HandleMap<T>, key: &Key, make: impl FnOnce() -> T) -> T {
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
