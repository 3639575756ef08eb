//! What the facade's handles do.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::{CounterFn, GaugeFn, HistogramFn};

use crate::{
    bounds::Bounds,
    cells::{Place, add_own, add_own_finite, add_own_float},
    exemplars::Exemplars,
    sum::Sum,
};

/// A counter: one word.
#[derive(Debug)]
pub(crate) struct CounterCells {
    place: Place,
    /// Held while it is set, which is a reading and a writing.
    setting: Mutex<()>,
}

impl CounterCells {
    pub(crate) const LEN: usize = 1;

    pub(crate) const fn new(place: Place) -> Self {
        Self {
            place,
            setting: Mutex::new(()),
        }
    }

    #[cold]
    #[inline(never)]
    fn increment_first(&self, value: u64) {
        self.place.run().add(0, value);
    }

    pub(crate) fn value(&self) -> u64 {
        let values = self.place.values();
        values.fold(0, u64::wrapping_add)
    }
}

impl CounterFn for CounterCells {
    #[inline]
    fn increment(&self, value: u64) {
        match self.place.own() {
            Some([word, ..]) => add_own(word, value),
            _ => self.increment_first(value),
        }
    }

    /// Raises the counter to a value, which somebody else counted; one that is lower is ignored, since counters do not
    /// fall.
    fn absolute(&self, value: u64) {
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = value.saturating_sub(self.value());
        if missing > 0 {
            self.increment(missing);
        }
    }
}

/// A gauge: one word. What it was set to stands in the shared word, the changes since are added up over all words.
#[derive(Debug)]
pub(crate) struct GaugeCells {
    place: Place,
    /// Held while it is set: two that set and one that changes it in between could else both be right and the sum wrong.
    setting: Mutex<()>,
}

impl GaugeCells {
    pub(crate) const LEN: usize = 1;

    pub(crate) const fn new(place: Place) -> Self {
        Self {
            place,
            setting: Mutex::new(()),
        }
    }

    pub(crate) fn value(&self) -> f64 {
        self.place.values().map(f64::from_bits).sum()
    }

    #[inline]
    fn add(&self, value: f64) {
        // What is not finite would stay for ever, be it added or the sum.
        match self.place.own() {
            Some([word, ..]) => add_own_finite(word, value),
            _ => self.add_first(value),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_first(&self, value: f64) {
        self.place.run().add_finite(0, value);
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
        let shared = self.place.shared();
        let mut before = shared.load(Relaxed);
        loop {
            let changes: f64 = self.place.values().skip(1).map(f64::from_bits).sum();
            let base = value - changes;
            // Fails if a thread without words of its own counted: then the changes are added up again.
            match shared.compare_exchange_weak(before, base.to_bits(), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }
}

/// A histogram: a word for each bucket, then the sum.
#[derive(Debug)]
pub(crate) struct HistogramCells {
    place: Place,
    bounds: Arc<Bounds>,
    exemplars: Option<Exemplars>,
}

impl HistogramCells {
    pub(crate) fn len(bounds: &Bounds) -> usize {
        bounds.buckets() + 1
    }

    pub(crate) const fn new(place: Place, bounds: Arc<Bounds>, exemplars: Option<Exemplars>) -> Self {
        Self {
            place,
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

    /// The observations in each bucket, and their sum.
    pub(crate) fn value(&self) -> (Box<[u64]>, Sum) {
        let mut counts = vec![0_u64; self.bounds.buckets()].into_boxed_slice();
        let mut sum = Sum::default();
        for words in self.place.runs() {
            sum = sum.plus(add_run(&mut counts, words));
        }
        (counts, sum)
    }
}

/// Adds the counts of one run of words, and returns its sum.
fn add_run(counts: &mut [u64], words: &[AtomicU64]) -> Sum {
    for (count, word) in counts.iter_mut().zip(words) {
        *count = count.wrapping_add(word.load(Relaxed));
    }
    Sum::of(f64::from_bits(words[counts.len()].load(Relaxed)))
}

impl HistogramFn for HistogramCells {
    #[inline]
    fn record(&self, value: f64) {
        // A function of its own for whatever is rare keeps this one without calls.
        let Some(bucket) = self.bounds.find(value) else {
            return self.record_seldom(value, 1);
        };
        let Some([buckets @ .., sum]) = self.place.own() else {
            return self.record_seldom(value, 1);
        };
        let Some(count) = buckets.get(bucket) else {
            return self.record_seldom(value, 1);
        };
        add_own(count, 1);
        add_own_float(sum, value);
        if let Some(exemplars) = &self.exemplars {
            exemplars.note(bucket, value);
        }
    }

    fn record_many(&self, value: f64, times: usize) {
        self.record_seldom(value, times as u64);
    }
}

impl HistogramCells {
    /// Records what no table finds, what is a thread's first, and what is observed several times at once.
    #[cold]
    #[inline(never)]
    fn record_seldom(&self, value: f64, times: u64) {
        // What is not finite has no place in a sum.
        if !value.is_finite() || times == 0 {
            return;
        }
        let bucket = self.bounds.search(value);
        let run = self.place.run();
        run.add(bucket, times);
        run.add_finite(self.bounds.buckets(), value * times as f64);
        if let Some(exemplars) = &self.exemplars {
            exemplars.note(bucket, value);
        }
    }
}
