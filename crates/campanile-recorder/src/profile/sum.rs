//! A gauge to which several sources contribute.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use metrics::{Gauge, GaugeFn, Key};

/// The sums of one recorder, by their targets.
#[derive(Default)]
pub(super) struct Sums(Mutex<HashMap<Key, Entry>>);

struct Entry {
    sum: Arc<Sum>,
    /// By source: whoever registers a source twice has two handles of one part.
    parts: HashMap<Key, Arc<Part>>,
}

impl Sums {
    /// Returns the handle of a source's part in a target.
    pub(super) fn part(&self, source: &Key, target: &Key, inner: Gauge) -> Gauge {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry { sum, parts } = sums.entry(target.clone()).or_insert_with(|| Entry {
            sum: Arc::new(Sum::new(inner)),
            parts: HashMap::new(),
        });
        let part = parts.entry(source.clone()).or_insert_with(|| {
            Arc::new(Part {
                value: AtomicU64::new(0.0_f64.to_bits()),
                sum: Arc::clone(sum),
            })
        });
        Gauge::from_arc(Arc::clone(part))
    }
}

/// What one source contributes.
struct Part {
    /// The bits of a float.
    value: AtomicU64,
    sum: Arc<Sum>,
}

impl Part {
    fn change(&self, by: f64) {
        // A part that is infinite, or not a number, could never be taken out of the sum again.
        if !by.is_finite() {
            return;
        }
        // Relaxed: the parts order nothing, and each change reaches the sum once.
        let _ = self
            .value
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                Some((f64::from_bits(bits) + by).to_bits())
            });
        self.sum.count(by);
    }
}

impl GaugeFn for Part {
    fn increment(&self, value: f64) {
        self.change(value);
    }

    fn decrement(&self, value: f64) {
        self.change(-value);
    }

    fn set(&self, value: f64) {
        let value = if value.is_finite() { value } else { 0.0 };
        let old = f64::from_bits(self.value.swap(value.to_bits(), Ordering::Relaxed));
        self.sum.sample(value - old);
    }
}

/// The target.
///
/// As long as its sources are only ever set, it is set too, under a lock: there are recorders that cannot add to a
/// gauge, and what is sampled does not contend. From the first source on that counts up and down, everything is added
/// to it, without a lock.
struct Sum {
    inner: Gauge,
    counted: AtomicBool,
    sampled: Mutex<f64>,
}

impl Sum {
    fn new(inner: Gauge) -> Self {
        Self {
            inner,
            counted: AtomicBool::new(false),
            sampled: Mutex::new(0.0),
        }
    }

    fn count(&self, by: f64) {
        if !self.counted.load(Ordering::Acquire) {
            // Waits for who is setting the sum right now. Nobody does after this.
            let _sampled = self.sampled.lock().unwrap_or_else(PoisonError::into_inner);
            self.counted.store(true, Ordering::Release);
        }
        self.add(by);
    }

    fn sample(&self, by: f64) {
        if self.counted.load(Ordering::Acquire) {
            return self.add(by);
        }
        let mut sampled = self.sampled.lock().unwrap_or_else(PoisonError::into_inner);
        if self.counted.load(Ordering::Acquire) {
            return self.add(by);
        }
        *sampled += by;
        self.inner.set(*sampled);
    }

    fn add(&self, by: f64) {
        if by < 0.0 {
            self.inner.decrement(-by);
        } else {
            self.inner.increment(by);
        }
    }
}
