//! Bounds the number of values of a label.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

/// The label value of observations whose own value was not admitted.
pub const OTHER: &str = "other";

/// The values that a label has taken, up to a limit: the first to come are admitted for the life of the process.
///
/// ```
/// use campanile_metrics::LabelLimiter;
///
/// let routes = LabelLimiter::new();
/// assert!(routes.admit("/a", 1));
/// assert!(!routes.admit("/b", 1));
/// assert!(routes.admit("/a", 1));
/// ```
#[derive(Debug, Default)]
pub struct LabelLimiter(RwLock<BTreeSet<Box<str>>>);

impl LabelLimiter {
    /// Makes a limiter that has admitted no value.
    #[must_use]
    pub const fn new() -> Self {
        Self(RwLock::new(BTreeSet::new()))
    }

    /// Admits a value if it was admitted before, or if fewer than `limit` values were.
    ///
    /// Takes a lock: callers look their own table up first and ask only for values that have no entry there.
    pub fn admit(&self, value: &str, limit: usize) -> bool {
        let admitted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if admitted.contains(value) {
            return true;
        }
        if admitted.len() >= limit {
            return false;
        }
        drop(admitted);
        let mut admitted = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have taken the last place since.
        if admitted.len() >= limit {
            return admitted.contains(value);
        }
        admitted.insert(value.into());
        true
    }

    /// Returns the number of admitted values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns whether no value was admitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
