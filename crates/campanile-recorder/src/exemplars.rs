//! Exemplars of histogram buckets, at most one per bucket and second.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError, TryLockError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Labels, names, registry::Registry};

/// The total length of names and values that OpenMetrics allows in an exemplar.
const MAX_CHARS: usize = 128;

/// Supplies the labels of the current observation.
type LabelsFn = dyn Fn(&mut ExemplarLabels) + Send + Sync;

/// The labels of an exemplar, filled in by the closure of
/// [`RecorderBuilder::with_exemplars`](crate::RecorderBuilder::with_exemplars).
#[derive(Debug, Default)]
pub struct ExemplarLabels {
    pairs: Vec<(&'static str, String)>,
    chars: usize,
}

impl ExemplarLabels {
    /// Adds a label, unless all labels together would exceed the 128 characters that OpenMetrics allows.
    pub fn push(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        let chars = self.chars + name.chars().count() + value.chars().count();
        if chars <= MAX_CHARS {
            self.chars = chars;
            self.pairs.push((name, value));
        }
    }
}

/// An observation recorded as an example of its bucket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    /// Milliseconds since 1970.
    pub(crate) time: u64,
}

/// The source of exemplars, if they are enabled.
#[derive(Clone, Default)]
pub(crate) struct ExemplarSource(Option<Arc<LabelsFn>>);

impl ExemplarSource {
    pub(crate) fn new(labels: impl Fn(&mut ExemplarLabels) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(labels)))
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Creates the exemplars of a histogram in `registry`, if they are enabled.
    pub(crate) fn exemplars(&self, buckets: usize, registry: &Weak<Registry>) -> Option<Exemplars> {
        self.0.as_ref().map(|labels| Exemplars {
            labels: Arc::clone(labels),
            registry: Weak::clone(registry),
            buckets: (0..buckets).map(|_| BucketExemplar::default()).collect(),
        })
    }
}

impl fmt::Debug for ExemplarSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExemplarSource").field(&self.0.is_some()).finish()
    }
}

/// The exemplars of a histogram, one per bucket.
pub(crate) struct Exemplars {
    labels: Arc<LabelsFn>,
    /// Counts the panics of the closure. Weak, since the registry owns its histograms.
    registry: Weak<Registry>,
    buckets: Box<[BucketExemplar]>,
}

#[derive(Default)]
struct BucketExemplar {
    /// The second of the last attempt, so that other observations in that second only read.
    second: AtomicU64,
    exemplar: Mutex<Option<Exemplar>>,
}

impl Exemplars {
    /// Records an exemplar, unless there was an attempt in the same second or the bucket is being read.
    pub(crate) fn observe(&self, bucket: usize, value: f64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let bucket = &self.buckets[bucket];
        let second = now.as_secs();
        // The load keeps most observations from writing. The second is stored before the closure is called, so that a
        // closure without labels is not called for each observation.
        if bucket.second.load(Relaxed) == second || bucket.second.swap(second, Relaxed) == second {
            return;
        }
        let Some(labels) = self.labels() else {
            return;
        };
        let mut exemplar = match bucket.exemplar.try_lock() {
            Ok(exemplar) => exemplar,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        *exemplar = Some(Exemplar {
            labels: Labels::new(labels.pairs.iter().map(|(name, value)| (*name, &**value))),
            value,
            time: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// Calls the closure, without a lock, so that it may record and render. A panic costs only the exemplar: an observation
    /// is often made while an exchange ends or a connection is accepted, which must not fail.
    fn labels(&self) -> Option<ExemplarLabels> {
        let labels = catch_unwind(AssertUnwindSafe(|| {
            let mut labels = ExemplarLabels::default();
            (self.labels)(&mut labels);
            labels
        }));
        if labels.is_err()
            && let Some(registry) = self.registry.upgrade()
        {
            registry.count(&names::EXEMPLAR_PANICS, Labels::new([]));
        }
        labels.ok().filter(|labels| !labels.pairs.is_empty())
    }

    /// Returns the exemplars by bucket.
    pub(crate) fn all(&self) -> Box<[Option<Exemplar>]> {
        let lock = |bucket: &BucketExemplar| {
            bucket
                .exemplar
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        self.buckets.iter().map(lock).collect()
    }
}

impl fmt::Debug for Exemplars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exemplars")
            .field("buckets", &self.buckets.len())
            .finish_non_exhaustive()
    }
}
