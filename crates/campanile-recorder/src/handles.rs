//! The cells behind the handles of the `metrics` facade.

use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed};

use metrics::{CounterFn, GaugeFn, HistogramFn};

use crate::{
    bounds::Bounds,
    cells::{CellRange, add_own, add_own_finite, add_own_float},
    exact_sum::ExactSum,
    exemplars::Exemplars,
};

/// A counter of one word.
#[derive(Debug)]
pub(crate) struct CounterCells {
    cells: CellRange,
    /// Serialises `absolute`, which reads the total and then adds to it.
    setting: Mutex<()>,
}

impl CounterCells {
    pub(crate) const LEN: usize = 1;

    pub(crate) const fn new(cells: CellRange) -> Self {
        Self {
            cells,
            setting: Mutex::new(()),
        }
    }

    /// The slow path: the thread has no cells of its own yet.
    #[cold]
    #[inline(never)]
    fn increment_slow(&self, value: u64) {
        self.cells.of_thread().add(0, value);
    }

    pub(crate) fn value(&self) -> u64 {
        self.cells.values().fold(0, u64::wrapping_add)
    }
}

impl CounterFn for CounterCells {
    #[inline]
    fn increment(&self, value: u64) {
        match self.cells.own() {
            Some([word, ..]) => add_own(word, value),
            _ => self.increment_slow(value),
        }
    }

    /// Raises the counter to a value. A lower value is ignored, since counters never fall.
    fn absolute(&self, value: u64) {
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = value.saturating_sub(self.value());
        if missing > 0 {
            self.increment(missing);
        }
    }
}

/// A gauge of one word. The shared word holds the value it was set to, the words of threads the changes since.
#[derive(Debug)]
pub(crate) struct GaugeCells {
    cells: CellRange,
    /// Serialises `set`: with two concurrent calls, an increment between them could be lost.
    setting: Mutex<()>,
}

impl GaugeCells {
    pub(crate) const LEN: usize = 1;

    pub(crate) const fn new(cells: CellRange) -> Self {
        Self {
            cells,
            setting: Mutex::new(()),
        }
    }

    pub(crate) fn value(&self) -> f64 {
        self.cells.values().map(f64::from_bits).sum()
    }

    #[inline]
    fn add(&self, value: f64) {
        // An infinite or NaN sum would never become finite again.
        match self.cells.own() {
            Some([word, ..]) => add_own_finite(word, value),
            _ => self.add_slow(value),
        }
    }

    /// The slow path: the thread has no cells of its own yet.
    #[cold]
    #[inline(never)]
    fn add_slow(&self, value: f64) {
        self.cells.of_thread().add_finite(0, value);
    }
}

impl GaugeFn for GaugeCells {
    #[inline]
    fn increment(&self, value: f64) {
        self.add(value);
    }

    #[inline]
    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = self.cells.shared();
        let mut before = shared.load(Relaxed);
        loop {
            let changes: f64 = self.cells.values().skip(1).map(f64::from_bits).sum();
            let base = value - changes;
            // Fails if a thread without own cells changed the gauge; the changes are then summed again.
            match shared.compare_exchange_weak(before, base.to_bits(), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }
}

/// A histogram: a count per bucket, then the sum as a float.
#[derive(Debug)]
pub(crate) struct HistogramCells {
    cells: CellRange,
    bounds: Arc<Bounds>,
    exemplars: Option<Exemplars>,
}

impl HistogramCells {
    pub(crate) fn len(bounds: &Bounds) -> usize {
        bounds.buckets() + 1
    }

    pub(crate) const fn new(cells: CellRange, bounds: Arc<Bounds>, exemplars: Option<Exemplars>) -> Self {
        Self {
            cells,
            bounds,
            exemplars,
        }
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub(crate) const fn exemplars(&self) -> Option<&Exemplars> {
        self.exemplars.as_ref()
    }

    /// Returns the observations per bucket, and their sum.
    pub(crate) fn value(&self) -> (Box<[u64]>, ExactSum) {
        let mut counts = vec![0_u64; self.bounds.buckets()].into_boxed_slice();
        let mut sum = ExactSum::default();
        for cells in self.cells.iter() {
            for (count, word) in counts.iter_mut().zip(cells) {
                *count = count.wrapping_add(word.load(Relaxed));
            }
            let float = f64::from_bits(cells[counts.len()].load(Relaxed));
            sum = sum.plus(ExactSum::from_f64(float));
        }
        (counts, sum)
    }

    /// The slow path: the table does not cover the value, the thread has no cells of its own yet, or the value was
    /// observed several times.
    #[cold]
    #[inline(never)]
    fn record_slow(&self, value: f64, times: u64) {
        if !value.is_finite() || times == 0 {
            return;
        }
        let bucket = self.bounds.search(value);
        let cells = self.cells.of_thread();
        cells.add(bucket, times);
        cells.add_finite(self.bounds.buckets(), value * times as f64);
        if let Some(exemplars) = &self.exemplars {
            exemplars.observe(bucket, value);
        }
    }
}

impl HistogramFn for HistogramCells {
    #[inline]
    fn record(&self, value: f64) {
        // The slow path is one outlined function, so that this one makes no other calls.
        let Some(bucket) = self.bounds.find(value) else {
            return self.record_slow(value, 1);
        };
        let Some([buckets @ .., sum]) = self.cells.own() else {
            return self.record_slow(value, 1);
        };
        let Some(count) = buckets.get(bucket) else {
            return self.record_slow(value, 1);
        };
        add_own(count, 1);
        add_own_float(sum, value);
        if let Some(exemplars) = &self.exemplars {
            exemplars.observe(bucket, value);
        }
    }

    fn record_many(&self, value: f64, times: usize) {
        self.record_slow(value, times as u64);
    }
}
