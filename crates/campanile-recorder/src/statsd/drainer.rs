//! What sends the recorder's lines.

use std::{
    ops::ControlFlow,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Counts, StatsdRecorder, Stop, counts::Publisher, datagrams::Datagrams, queue::Queue, schedule::Schedule,
};

/// How long lines wait for others to share their datagram. What then is left of a full one waits once more: a line is
/// sent within twice this, 100 ms.
const DELAY: Duration = Duration::from_millis(50);

/// Sends what a [`StatsdRecorder`] has put into the queue, on a thread of the caller's.
///
/// A thread and not a future: sending needs no runtime, goes on when the runtime stands still, and what a stopped
/// runtime last did is sent too.
///
/// When dropped, the recorder's queue takes no more lines, and counts them as dropped.
#[derive(Debug)]
#[must_use = "nothing is sent unless it runs"]
pub struct Drainer {
    recorder: StatsdRecorder,
    queue: Arc<Queue>,
    datagrams: Datagrams,
    schedule: Schedule,
    publisher: Publisher,
}

impl Drainer {
    pub(super) fn new(
        recorder: StatsdRecorder,
        queue: Arc<Queue>,
        datagrams: Datagrams,
        schedule: Schedule,
        publisher: Publisher,
    ) -> Self {
        Self {
            recorder,
            queue,
            datagrams,
            schedule,
            publisher,
        }
    }

    /// Returns what became of the lines so far.
    pub fn counts(&self) -> Counts {
        self.recorder.counts()
    }

    /// Sends until stopped, then what is left, and returns.
    ///
    /// After the stop it gives up at the first datagram for which the receiver has no room: within half a second.
    pub fn run_blocking(mut self, stop: &Stop) {
        stop.unpark_me();
        self.queue.unpark_me();
        let mut spare = self.queue.buffer();
        // What was taken and not yet sent.
        let mut pending = String::new();
        let mut oldest: Option<Instant> = None;
        let mut period_ends = self.schedule.next(Instant::now());
        while !stop.is_stopped() {
            let now = Instant::now();
            if now >= period_ends {
                self.resend(&mut spare, &mut pending, stop);
                self.publisher.publish();
                if !pending.is_empty() && oldest.is_none() {
                    oldest = Some(now);
                }
                period_ends = self.schedule.next(now);
            }
            let queued = self.queue.len();
            if queued > 0 && oldest.is_none() {
                oldest = Some(now);
            }
            let late = oldest.is_some_and(|oldest| now >= oldest + DELAY);
            if late || queued >= self.datagrams.size() {
                self.take(&mut spare, &mut pending);
                let sent = self.datagrams.send(&pending, late, stop);
                pending.drain(..sent);
                oldest = (!pending.is_empty()).then_some(now);
                continue;
            }
            let next = oldest.map_or(period_ends, |oldest| period_ends.min(oldest + DELAY));
            thread::park_timeout(next.saturating_duration_since(now));
        }
        self.publisher.publish();
        self.queue.close();
        self.take(&mut spare, &mut pending);
        self.datagrams.send(&pending, true, stop);
        self.publisher.publish();
    }

    /// Puts all gauges into the queue, and sends what makes full datagrams in between: nobody else does.
    fn resend(&self, spare: &mut String, pending: &mut String, stop: &Stop) {
        self.recorder.resend_while(|| {
            if stop.is_stopped() {
                return ControlFlow::Break(());
            }
            if self.queue.is_due() {
                self.take(spare, pending);
                let sent = self.datagrams.send(pending, false, stop);
                pending.drain(..sent);
            }
            ControlFlow::Continue(())
        });
    }

    fn take(&self, spare: &mut String, pending: &mut String) {
        self.queue.swap(spare);
        pending.push_str(spare);
        spare.clear();
    }
}

impl Drop for Drainer {
    fn drop(&mut self) {
        self.queue.close();
    }
}
