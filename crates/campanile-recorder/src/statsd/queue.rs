//! The lines that wait: one string behind a lock, so that all events keep their order and none allocates.
//!
//! A queue of strings would allocate for each event, and one queue for each thread would let two threads' values of one
//! gauge overtake each other. The lock is held while one line is written, some tens of nanoseconds.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, Thread},
};

use super::counts::{Tally, add};

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Bytes that may wait; the last line may end behind them.
    capacity: usize,
    /// Bytes of the longest line.
    longest: usize,
    drainer: OnceLock<Thread>,
    tally: Arc<Tally>,
}

#[derive(Debug)]
struct State {
    /// Each with a line feed at its end.
    lines: String,
    closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize, longest: usize, tally: Arc<Tally>) -> Self {
        Self {
            state: Mutex::new(State {
                lines: buffer(capacity, longest),
                closed: false,
            }),
            capacity,
            longest,
            drainer: OnceLock::new(),
            tally,
        }
    }

    /// Makes what [`Self::swap`] takes: the second of the two buffers that are used in turn.
    pub(super) fn buffer(&self) -> String {
        buffer(self.capacity, self.longest)
    }

    /// Appends what `write` writes: `count` lines, with a line feed between two.
    pub(super) fn push(&self, count: u64, write: impl FnOnce(&mut String)) {
        let mut state = self.lock();
        if state.closed || state.lines.len() >= self.capacity {
            drop(state);
            add(&self.tally.lines_queue_full, count);
            return;
        }
        let start = state.lines.len();
        write(&mut state.lines);
        if is_too_long(&state.lines[start..], self.longest) {
            state.lines.truncate(start);
            drop(state);
            add(&self.tally.lines_too_long, count);
            return;
        }
        state.lines.push('\n');
        let end = state.lines.len();
        drop(state);
        // The first line starts the clock, and what makes a datagram full is sent at once.
        let telling = start == 0 || start < self.longest && end >= self.longest;
        if telling && let Some(drainer) = self.drainer.get() {
            drainer.unpark();
        }
    }

    /// Unparks this thread when there is something to do; look at [`Self::len`] before parking.
    pub(super) fn unpark_me(&self) {
        // There is one drainer, which runs once.
        let _ = self.drainer.set(thread::current());
    }

    /// Returns the bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// Tells whether what waits makes a full datagram, or there is no room for more.
    pub(super) fn is_due(&self) -> bool {
        self.len() >= self.longest.min(self.capacity)
    }

    /// Takes what waits, and leaves an empty buffer there.
    pub(super) fn swap(&self, empty: &mut String) {
        debug_assert!(empty.is_empty(), "what waits must be the queue's");
        mem::swap(&mut self.lock().lines, empty);
    }

    /// Takes no more lines.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic can leave behind is a line without its end, and writing does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether one of these lines does not fit into a datagram.
pub(super) fn is_too_long(lines: &str, longest: usize) -> bool {
    lines.len() > longest && lines.split('\n').any(|line| line.len() > longest)
}

fn buffer(capacity: usize, longest: usize) -> String {
    // Room for the line that fills it.
    String::with_capacity(capacity + longest)
}
