//! The processor time of the current thread.

use std::time::{Duration, Instant};

/// Measures the processor time that the current thread uses, not the time for which it waits: on Linux, from the
/// scheduler's statistics, which are exact to a tick. Where there are none, the time that has passed.
pub(super) struct CpuTimer {
    used: Option<Duration>,
    start: Instant,
}

impl CpuTimer {
    pub(super) fn start() -> Self {
        Self {
            used: used(),
            start: Instant::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        match (self.used, used()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.start.elapsed(),
        }
    }
}

// Not by `clock_gettime`: std has none for threads, and that of rustix reads the vDSO itself, which ends the process under
// valgrind.
fn used() -> Option<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = statistics.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_costs_no_processor_time_and_work_does() {
        if used().is_none() {
            return;
        }
        let timer = CpuTimer::start();
        std::thread::sleep(Duration::from_millis(200));
        assert!(timer.elapsed() < Duration::from_millis(100));
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) && timer.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        assert!(timer.elapsed() >= Duration::from_millis(50));
    }
}
