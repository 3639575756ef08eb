//! The processor time of the current thread.

use std::time::Duration;
#[cfg(not(unix))]
use std::time::Instant;

/// Measures the processor time that the current thread uses, not the time for which it waits.
pub(super) struct CpuTimer {
    #[cfg(unix)]
    start: Duration,
    #[cfg(not(unix))]
    start: Instant,
}

#[cfg(unix)]
impl CpuTimer {
    pub(super) fn start() -> Self {
        Self { start: now() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_sub(self.start)
    }
}

#[cfg(not(unix))]
impl CpuTimer {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(unix)]
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}
