//! Processor time, on one thread or on two that begin together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use rustix::time::{ClockId, clock_gettime};

/// Does something so many times.
pub(crate) type Work = Arc<dyn Fn(u32) + Send + Sync>;

/// A second thread, which works at the same time.
pub(crate) struct Companion {
    work: Sender<(Work, u32)>,
    took: Receiver<f64>,
    ready: Arc<AtomicU32>,
}

impl Companion {
    pub(crate) fn new() -> Self {
        let (work, orders) = channel::<(Work, u32)>();
        let (answers, took) = channel();
        let ready = Arc::new(AtomicU32::new(0));
        let both = Arc::clone(&ready);
        thread::spawn(move || {
            while let Ok((work, times)) = orders.recv() {
                meet(&both);
                if answers.send(time(&work, times)).is_err() {
                    return;
                }
            }
        });
        Self { work, took, ready }
    }

    /// Nanoseconds of processor time for each time, of both threads on average.
    pub(crate) fn time(&self, work: &Work, times: u32) -> f64 {
        self.ready.store(0, Ordering::SeqCst);
        self.work.send((Arc::clone(work), times)).unwrap();
        meet(&self.ready);
        let own = time(work, times);
        (own + self.took.recv().unwrap()) / 2.0
    }
}

/// Waits for the other one without sleeping: who is woken comes late, and would find nobody to contend with.
fn meet(ready: &AtomicU32) {
    ready.fetch_add(1, Ordering::SeqCst);
    while ready.load(Ordering::SeqCst) < 2 {
        std::hint::spin_loop();
    }
}

/// Nanoseconds of this thread's processor time for each time.
pub(crate) fn time(work: &Work, times: u32) -> f64 {
    let start = thread_time();
    work(times);
    (thread_time() - start) / f64::from(times)
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
