//! Processor time, on one thread or on two that begin together.

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

/// Does something so many times.
pub(crate) type Work = Arc<dyn Fn(u32) + Send + Sync>;

/// How often two threads try to work at the same time.
const TRIES: u32 = 50;

/// What a batch took on one thread.
#[derive(Clone, Copy)]
pub(crate) struct Took {
    /// Nanoseconds of processor time for each time.
    pub(crate) processor: f64,
    began: Instant,
    ended: Instant,
}

impl Took {
    /// Whether the two worked at the same time for the most part.
    fn beside(self, other: Self) -> bool {
        let passed = |took: Self| took.ended - took.began;
        let both = self
            .ended
            .min(other.ended)
            .saturating_duration_since(self.began.max(other.began));
        both.mul_f64(1.25) > passed(self).max(passed(other))
    }
}

/// A second thread, which works at the same time.
pub(crate) struct Companion {
    work: Sender<(Work, u32)>,
    took: Receiver<Took>,
    ready: Arc<AtomicU32>,
}

impl Companion {
    pub(crate) fn new() -> Self {
        let (work, orders) = channel::<(Work, u32)>();
        let (answers, took) = channel();
        let ready = Arc::new(AtomicU32::new(0));
        let both = Arc::clone(&ready);
        thread::spawn(move || {
            stay_on(1);
            while let Ok((work, times)) = orders.recv() {
                meet(&both);
                if answers.send(time(&work, times)).is_err() {
                    return;
                }
            }
        });
        Self { work, took, ready }
    }

    /// Nanoseconds of processor time for each time, of both threads on average, in a batch in which neither was alone
    /// for long: a thread that waits for a processor leaves the other one undisturbed, which would look good.
    pub(crate) fn time(&self, work: &Work, times: u32) -> f64 {
        let mut last = 0.0;
        for _ in 0..TRIES {
            self.ready.store(0, Ordering::SeqCst);
            self.work.send((Arc::clone(work), times)).unwrap();
            meet(&self.ready);
            let own = time(work, times);
            let others = self.took.recv().unwrap();
            last = (own.processor + others.processor) / 2.0;
            if own.beside(others) {
                break;
            }
        }
        last
    }
}

/// Keeps this thread on one of the processors that it may use, so that two threads are never on the same one.
pub(crate) fn stay_on(place: usize) {
    // Without leave it stays where the system puts it.
    let Ok(all) = sched_getaffinity(None) else { return };
    let mut one = CpuSet::new();
    if let Some(processor) = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).nth(place) {
        one.set(processor);
        let _ = sched_setaffinity(None, &one);
    }
}

/// Waits for the other one without sleeping: who is woken comes late, and would find nobody to contend with.
fn meet(ready: &AtomicU32) {
    ready.fetch_add(1, Ordering::SeqCst);
    while ready.load(Ordering::SeqCst) < 2 {
        std::hint::spin_loop();
    }
}

/// Works so many times on this thread.
pub(crate) fn time(work: &Work, times: u32) -> Took {
    let (began, start) = (Instant::now(), thread_time());
    work(times);
    Took {
        processor: (thread_time() - start) / f64::from(times),
        began,
        ended: Instant::now(),
    }
}

pub(crate) fn thread_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The time that only a twentieth of the batches stayed below.
pub(crate) fn quiet(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 20]
}

pub(crate) fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
