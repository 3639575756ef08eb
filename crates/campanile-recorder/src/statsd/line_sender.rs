//! Sends the queued lines of the recorder.

use std::{
    ops::ControlFlow,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    SendStats, StatsdRecorder, Stop, datagrams::Datagrams, queue::LineQueue, schedule::Schedule,
    stats::StatsPublisher,
};

/// How long lines wait to share a datagram with others. A remainder waits once more, so that a line is sent within twice
/// this time, 100 ms.
const DELAY: Duration = Duration::from_millis(50);

/// Sends the lines that a [`StatsdRecorder`] has queued, on a thread of the caller.
///
/// A thread rather than a future, so that lines are still sent while the runtime is blocked and after it has stopped.
/// When dropped, the recorder drops and counts further lines.
#[derive(Debug)]
#[must_use = "nothing is sent unless it runs"]
pub struct LineSender {
    recorder: StatsdRecorder,
    queue: Arc<LineQueue>,
    datagrams: Datagrams,
    schedule: Schedule,
    publisher: StatsPublisher,
}

impl LineSender {
    pub(super) fn new(
        recorder: StatsdRecorder,
        queue: Arc<LineQueue>,
        datagrams: Datagrams,
        schedule: Schedule,
        publisher: StatsPublisher,
    ) -> Self {
        Self {
            recorder,
            queue,
            datagrams,
            schedule,
            publisher,
        }
    }

    /// Returns counts of sent and dropped lines.
    pub fn stats(&self) -> SendStats {
        self.recorder.stats()
    }

    /// Sends lines until `stop` is triggered, then the queued ones, and returns.
    ///
    /// While the host has no address yet, lines stay in the queue. After the stop it waits half a second for an address
    /// that is being looked up, and gives up at the first datagram for which the receiver has no space, within another
    /// half a second.
    pub fn run_blocking(mut self, stop: &Stop) {
        stop.unpark_current_thread();
        self.queue.unpark_current_thread();
        let mut spare = self.queue.buffer();
        // Lines taken from the queue and not sent yet.
        let mut pending = String::new();
        let mut oldest: Option<Instant> = None;
        let mut period_ends = self.schedule.next(Instant::now());
        while !stop.is_stopped() {
            let now = Instant::now();
            let has_address = self.datagrams.poll(now);
            if now >= period_ends {
                // Without an address, repeated gauges would only take the space of other lines.
                if has_address {
                    self.resend(&mut spare, &mut pending, stop);
                }
                self.publisher.publish();
                if !pending.is_empty() && oldest.is_none() {
                    oldest = Some(now);
                }
                period_ends = self.schedule.next(now);
            }
            let mut next = self
                .datagrams
                .next_poll()
                .map_or(period_ends, |next| next.min(period_ends));
            if !has_address {
                thread::park_timeout(next.saturating_duration_since(Instant::now()));
                continue;
            }
            let queued = self.queue.len();
            if queued > 0 && oldest.is_none() {
                oldest = Some(now);
            }
            let late = oldest.is_some_and(|oldest| now >= oldest + DELAY);
            if late || queued >= self.datagrams.size() {
                take(&self.queue, &mut spare, &mut pending);
                let sent = self.datagrams.send(&pending, late, stop);
                pending.drain(..sent);
                oldest = (!pending.is_empty()).then_some(now);
                continue;
            }
            next = oldest.map_or(next, |oldest| next.min(oldest + DELAY));
            thread::park_timeout(next.saturating_duration_since(now));
        }
        self.datagrams.poll_blocking();
        self.publisher.publish();
        self.queue.close();
        take(&self.queue, &mut spare, &mut pending);
        self.datagrams.send(&pending, true, stop);
        self.queue.publish_last(|| self.publisher.publish());
    }

    /// Queues all gauges, sending full datagrams in between to make space.
    fn resend(&mut self, spare: &mut String, pending: &mut String, stop: &Stop) {
        let (queue, datagrams) = (&self.queue, &mut self.datagrams);
        self.recorder.resend_while(|| {
            if stop.is_stopped() {
                return ControlFlow::Break(());
            }
            if queue.is_due() {
                take(queue, spare, pending);
                let sent = datagrams.send(pending, false, stop);
                pending.drain(..sent);
            }
            ControlFlow::Continue(())
        });
    }
}

fn take(queue: &LineQueue, spare: &mut String, pending: &mut String) {
    queue.swap(spare);
    pending.push_str(spare);
    spare.clear();
}

impl Drop for LineSender {
    fn drop(&mut self) {
        self.queue.close();
    }
}
