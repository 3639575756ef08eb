//! The queue of lines: one string behind a lock, so that events keep their order and do not allocate.
//!
//! A queue of strings would allocate per event, and a queue per thread would reorder the values of a gauge that two
//! threads set. The lock is held while a line is written, for some tens of nanoseconds.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, Thread, ThreadId},
};

use super::stats::{AtomicStats, add};

/// A bounded queue of lines.
#[derive(Debug)]
pub(super) struct LineQueue {
    state: Mutex<QueueState>,
    /// Bytes that may be queued; the last line may exceed it.
    capacity: usize,
    /// The maximum length of a line.
    max_line: usize,
    sender: OnceLock<Thread>,
    stats: Arc<AtomicStats>,
}

#[derive(Debug)]
struct QueueState {
    /// Lines, each with a line feed at its end.
    lines: String,
    closed: bool,
    /// The thread whose lines are dropped without being counted, once the queue is closed.
    uncounted: Option<ThreadId>,
}

impl LineQueue {
    pub(super) fn new(capacity: usize, max_line: usize, stats: Arc<AtomicStats>) -> Self {
        Self {
            state: Mutex::new(QueueState {
                lines: buffer(capacity, max_line),
                closed: false,
                uncounted: None,
            }),
            capacity,
            max_line,
            sender: OnceLock::new(),
            stats,
        }
    }

    /// Creates the second of the two buffers that [`Self::swap`] exchanges.
    pub(super) fn buffer(&self) -> String {
        buffer(self.capacity, self.max_line)
    }

    /// Appends what `write` writes: `count` lines, separated by line feeds.
    pub(super) fn push(&self, count: u64, write: impl FnOnce(&mut String)) {
        let mut state = self.lock();
        if state.closed || state.lines.len() >= self.capacity {
            let is_counted = state
                .uncounted
                .is_none_or(|thread| thread != thread::current().id());
            drop(state);
            if is_counted {
                add(&self.stats.lines_queue_full, count);
            }
            return;
        }
        let start = state.lines.len();
        write(&mut state.lines);
        if is_too_long(&state.lines[start..], self.max_line) {
            state.lines.truncate(start);
            drop(state);
            add(&self.stats.lines_too_long, count);
            return;
        }
        state.lines.push('\n');
        let end = state.lines.len();
        drop(state);
        // The first line starts the delay, and a full datagram is sent at once.
        let wake = start == 0 || start < self.max_line && end >= self.max_line;
        if wake && let Some(sender) = self.sender.get() {
            sender.unpark();
        }
    }

    /// Unparks the current thread when there is something to send. Check [`Self::len`] before parking.
    pub(super) fn unpark_current_thread(&self) {
        // There is one sender, which runs once.
        let _ = self.sender.set(thread::current());
    }

    /// Returns the number of queued bytes.
    pub(super) fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// Returns whether the queue fills a datagram or is full.
    pub(super) fn is_due(&self) -> bool {
        self.len() >= self.max_line.min(self.capacity)
    }

    /// Exchanges the queued lines for an empty buffer.
    pub(super) fn swap(&self, empty: &mut String) {
        debug_assert!(empty.is_empty(), "lines must not be queued twice");
        mem::swap(&mut self.lock().lines, empty);
    }

    /// Makes the queue drop further lines.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// Calls `publish` after the end. Lines that it makes, where it publishes to the recorder of this queue, are about
    /// lines, and are not counted in their turn.
    pub(super) fn publish_last(&self, publish: impl FnOnce()) {
        self.lock().uncounted = Some(thread::current().id());
        publish();
        self.lock().uncounted = None;
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // A panic while writing could leave an incomplete line, but writing does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether one of the lines does not fit into a datagram.
pub(super) fn is_too_long(lines: &str, max_line: usize) -> bool {
    lines.len() > max_line && lines.split('\n').any(|line| line.len() > max_line)
}

fn buffer(capacity: usize, max_line: usize) -> String {
    // Includes space for the line that exceeds the capacity.
    String::with_capacity(capacity + max_line)
}
