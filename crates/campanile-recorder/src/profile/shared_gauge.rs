//! A gauge that is the sum of several sources.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use metrics::{Gauge, GaugeFn, Key};

/// The shared gauges of a recorder, by target.
#[derive(Default)]
pub(super) struct SharedGauges(Mutex<HashMap<Key, GaugeEntry>>);

struct GaugeEntry {
    gauge: Arc<SharedGauge>,
    /// By source, so that a source that is registered twice has one part.
    parts: HashMap<Key, Arc<GaugePart>>,
}

impl SharedGauges {
    /// Returns a handle of the part of a source.
    pub(super) fn part(&self, source: &Key, target: &Key, inner: Gauge) -> Gauge {
        let mut gauges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let GaugeEntry { gauge, parts } = gauges.entry(target.clone()).or_insert_with(|| GaugeEntry {
            gauge: Arc::new(SharedGauge::new(inner)),
            parts: HashMap::new(),
        });
        let part = parts.entry(source.clone()).or_insert_with(|| {
            Arc::new(GaugePart {
                value: AtomicU64::new(0.0_f64.to_bits()),
                gauge: Arc::clone(gauge),
            })
        });
        Gauge::from_arc(Arc::clone(part))
    }
}

/// The contribution of one source.
struct GaugePart {
    /// The bits of a float.
    value: AtomicU64,
    gauge: Arc<SharedGauge>,
}

impl GaugePart {
    fn change(&self, by: f64) {
        // A part that is not finite could never be subtracted again.
        if !by.is_finite() {
            return;
        }
        // Relaxed: no other memory depends on it, and each change is applied to the gauge once.
        let _ = self
            .value
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                Some((f64::from_bits(bits) + by).to_bits())
            });
        self.gauge.change(by);
    }
}

impl GaugeFn for GaugePart {
    fn increment(&self, value: f64) {
        self.change(value);
    }

    fn decrement(&self, value: f64) {
        self.change(-value);
    }

    fn set(&self, value: f64) {
        let value = if value.is_finite() { value } else { 0.0 };
        let old = f64::from_bits(self.value.swap(value.to_bits(), Ordering::Relaxed));
        self.gauge.sample(value - old);
    }
}

/// The target gauge.
///
/// While all sources are only ever set, the target is set, under a lock: some recorders do not support increments, and
/// sampled gauges do not contend. From the first increment or decrement of a source, all changes are increments, without
/// the lock.
struct SharedGauge {
    inner: Gauge,
    uses_increments: AtomicBool,
    /// The sum while the target is set.
    sum: Mutex<f64>,
}

impl SharedGauge {
    fn new(inner: Gauge) -> Self {
        Self {
            inner,
            uses_increments: AtomicBool::new(false),
            sum: Mutex::new(0.0),
        }
    }

    fn change(&self, by: f64) {
        if !self.uses_increments.load(Ordering::Acquire) {
            // Waits for a concurrent set, which must not overwrite the increment.
            let _sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
            self.uses_increments.store(true, Ordering::Release);
        }
        self.add(by);
    }

    fn sample(&self, by: f64) {
        if self.uses_increments.load(Ordering::Acquire) {
            return self.add(by);
        }
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        if self.uses_increments.load(Ordering::Acquire) {
            return self.add(by);
        }
        *sum += by;
        self.inner.set(*sum);
    }

    fn add(&self, by: f64) {
        if by < 0.0 {
            self.inner.decrement(-by);
        } else {
            self.inner.increment(by);
        }
    }
}
