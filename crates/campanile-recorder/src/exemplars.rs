//! Which request stands for a bucket: the last one seen, at most one each second.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::Labels;

/// The most that labels of an exemplar may have together, names and values, as OpenMetrics limits them.
const MOST: usize = 128;

/// Tells the labels of what is being observed: `request_id`, `trace_id`.
type Tell = dyn Fn(&mut ExemplarLabels) + Send + Sync;

/// The labels of an exemplar, as the closure tells them.
#[derive(Debug, Default)]
pub struct ExemplarLabels {
    pairs: Vec<(&'static str, String)>,
    length: usize,
}

impl ExemplarLabels {
    /// Adds a label. One that would pass the 128 characters that OpenMetrics allows to all together is left out.
    pub fn push(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        let length = self.length + name.chars().count() + value.chars().count();
        if length <= MOST {
            self.length = length;
            self.pairs.push((name, value));
        }
    }
}

/// An observation that stands for others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    /// Milliseconds since 1970.
    pub(crate) time: u64,
}

/// How exemplars are come by; none if nobody asked for them.
#[derive(Clone, Default)]
pub(crate) struct ExemplarSource(Option<Arc<Tell>>);

impl ExemplarSource {
    pub(crate) fn new(tell: impl Fn(&mut ExemplarLabels) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Makes room for the exemplars of a histogram, if anybody wants them.
    pub(crate) fn exemplars(&self, buckets: usize) -> Option<Exemplars> {
        self.0.as_ref().map(|tell| Exemplars {
            tell: Arc::clone(tell),
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
        })
    }
}

impl fmt::Debug for ExemplarSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExemplarSource").field(&self.0.is_some()).finish()
    }
}

/// The exemplars of a histogram, one for each bucket.
pub(crate) struct Exemplars {
    tell: Arc<Tell>,
    buckets: Box<[Bucket]>,
}

#[derive(Default)]
struct Bucket {
    /// The second in which somebody was asked for an exemplar, so that the others of that second only read.
    second: AtomicU64,
    exemplar: Mutex<Option<Exemplar>>,
}

impl Exemplars {
    /// Notes an observation, unless one of its bucket came in the same second or is being looked at.
    pub(crate) fn note(&self, bucket: usize, value: f64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let bucket = &self.buckets[bucket];
        let second = now.as_secs();
        // Read first: most are not the first of their second. Noted before asking, so that nobody is asked for each
        // observation who has nothing to tell.
        if bucket.second.load(Relaxed) == second || bucket.second.swap(second, Relaxed) == second {
            return;
        }
        // Not under the lock: it is the user's, and may panic.
        let mut labels = ExemplarLabels::default();
        (self.tell)(&mut labels);
        if labels.pairs.is_empty() {
            return;
        }
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

    /// The exemplars, a place for each bucket.
    pub(crate) fn all(&self) -> Box<[Option<Exemplar>]> {
        let lock = |bucket: &Bucket| {
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
