//! What a saturation was when it was last computed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a [`Saturation`](crate::Saturation) was when it was last computed. Cloning copies a pointer; reading is an atomic
/// load.
#[derive(Clone)]
pub struct SaturationLevel {
    seen: Arc<Seen>,
}

struct Seen {
    /// Bits of a float.
    ratio: AtomicU64,
    begin: Instant,
    /// Milliseconds from the begin to the last computation, and one; 0 before the first.
    at: AtomicU64,
}

impl SaturationLevel {
    pub(super) fn new() -> Self {
        Self {
            seen: Arc::new(Seen {
                ratio: AtomicU64::new(0.0_f64.to_bits()),
                begin: Instant::now(),
                at: AtomicU64::new(0),
            }),
        }
    }

    /// Returns how full the service was, from 0 to 1; 0 before it was first computed.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        f64::from_bits(self.seen.ratio.load(Ordering::Relaxed))
    }

    /// Returns how long ago that was, to the millisecond; nothing before the first time.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let at = self.seen.at.load(Ordering::Acquire).checked_sub(1)?;
        Some(
            self.seen
                .begin
                .elapsed()
                .saturating_sub(Duration::from_millis(at)),
        )
    }

    pub(super) fn set(&self, ratio: f64) {
        self.seen.ratio.store(ratio.to_bits(), Ordering::Relaxed);
        let now = self.seen.begin.elapsed().as_millis() as u64 + 1;
        self.seen.at.store(now, Ordering::Release);
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
