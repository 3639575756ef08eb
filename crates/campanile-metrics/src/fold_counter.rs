//! Counts folded observations.

use metrics::Counter;

use crate::{LazyHandle, RecorderHandle, SERIES_FOLDED};

/// Counts observations that were recorded under [`OTHER`](crate::OTHER) in place of their own label value.
#[derive(Debug, Default)]
pub struct FoldCounter(LazyHandle<Counter>);

impl FoldCounter {
    /// Makes a counter that is resolved at its first use.
    #[must_use]
    pub const fn new() -> Self {
        Self(LazyHandle::new())
    }

    /// Counts one folded observation.
    pub fn increment(&self, recorder: RecorderHandle) {
        let counter = self
            .0
            .get(recorder, |recorder| SERIES_FOLDED.register(recorder, Vec::new()));
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}
