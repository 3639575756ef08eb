//! Processor time on one thread, or on two that start together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// Work that is repeated a number of times.
pub(crate) type Work = Arc<dyn Fn(u32) + Send + Sync>;

/// How often two threads try to run concurrently.
const ATTEMPTS: u32 = 50;

/// The duration of a batch on one thread.
#[derive(Clone, Copy)]
pub(crate) struct BatchTime {
    /// Nanoseconds of processor time per repetition.
    pub(crate) processor: f64,
    began: Instant,
    ended: Instant,
}

impl BatchTime {
    /// Returns whether two batches ran concurrently for most of the time.
    fn overlaps(self, other: Self) -> bool {
        let passed = |took: Self| took.ended - took.began;
        let both = self
            .ended
            .min(other.ended)
            .saturating_duration_since(self.began.max(other.began));
        both.mul_f64(1.25) > passed(self).max(passed(other))
    }
}

/// A second thread that works concurrently.
pub(crate) struct SecondThread {
    work: Sender<(Work, u32)>,
    took: Receiver<BatchTime>,
    ready: Arc<AtomicU32>,
}

impl SecondThread {
    pub(crate) fn new() -> Self {
        let (work, requests) = channel::<(Work, u32)>();
        let (results, took) = channel();
        let ready = Arc::new(AtomicU32::new(0));
        let both = Arc::clone(&ready);
        thread::spawn(move || {
            pin_to(1);
            while let Ok((work, times)) = requests.recv() {
                wait_for_other(&both);
                if results.send(time(&work, times)).is_err() {
                    return;
                }
            }
        });
        Self { work, took, ready }
    }

    /// Returns the mean processor time of both threads per repetition in nanoseconds, from a batch in which they ran
    /// concurrently: a thread that waits for a processor does not contend with the other.
    pub(crate) fn time(&self, work: &Work, times: u32) -> f64 {
        let mut last = 0.0;
        for _ in 0..ATTEMPTS {
            self.ready.store(0, Ordering::SeqCst);
            self.work.send((Arc::clone(work), times)).unwrap();
            wait_for_other(&self.ready);
            let own = time(work, times);
            let others = self.took.recv().unwrap();
            last = (own.processor + others.processor) / 2.0;
            if own.overlaps(others) {
                break;
            }
        }
        last
    }
}

/// Pins this thread to one of its processors, so that two threads never share one.
pub(crate) fn pin_to(place: usize) {
    // Without permission the thread is not pinned.
    let Ok(all) = sched_getaffinity(None) else { return };
    let mut one = CpuSet::new();
    if let Some(processor) = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).nth(place) {
        one.set(processor);
        let _ = sched_setaffinity(None, &one);
    }
}

/// Spins until the other thread arrives; a sleeping thread would wake too late to contend.
fn wait_for_other(ready: &AtomicU32) {
    ready.fetch_add(1, Ordering::SeqCst);
    while ready.load(Ordering::SeqCst) < 2 {
        std::hint::spin_loop();
    }
}

/// Runs the work on this thread.
pub(crate) fn time(work: &Work, times: u32) -> BatchTime {
    let (began, start) = (Instant::now(), thread_time());
    work(times);
    BatchTime {
        processor: (thread_time() - start) / f64::from(times),
        began,
        ended: Instant::now(),
    }
}

pub(crate) fn thread_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Returns the 5th percentile.
pub(crate) fn quiet(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 20]
}

pub(crate) fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
