//! The last value of a saturation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The last value of a [`Saturation`](crate::Saturation). Cloning copies a pointer; reading is an atomic load.
#[derive(Clone)]
pub struct SaturationLevel {
    state: Arc<LevelState>,
}

struct LevelState {
    /// The bits of an `f64`.
    ratio: AtomicU64,
    created: Instant,
    /// Milliseconds from `created` to the last computation, plus 1; 0 before the first.
    computed: AtomicU64,
}

impl SaturationLevel {
    pub(super) fn new() -> Self {
        Self {
            state: Arc::new(LevelState {
                ratio: AtomicU64::new(0.0_f64.to_bits()),
                created: Instant::now(),
                computed: AtomicU64::new(0),
            }),
        }
    }

    /// Returns the saturation, from 0 to 1; 0 before it was first computed.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        f64::from_bits(self.state.ratio.load(Ordering::Relaxed))
    }

    /// Returns the time since the value was computed, to the millisecond; `None` before the first time.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let computed = self.state.computed.load(Ordering::Acquire).checked_sub(1)?;
        let now = self.state.created.elapsed();
        Some(now.saturating_sub(Duration::from_millis(computed)))
    }

    pub(super) fn set(&self, ratio: f64) {
        self.state.ratio.store(ratio.to_bits(), Ordering::Relaxed);
        let now = self.state.created.elapsed().as_millis() as u64 + 1;
        self.state.computed.store(now, Ordering::Release);
    }
}

impl fmt::Debug for SaturationLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaturationLevel")
            .field("ratio", &self.ratio())
            .field("age", &self.age())
            .finish()
    }
}
