//! The places of the table, and which of them are free: handed out by thread.

use std::{
    cell::RefCell,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::seqlock::SeqlockRow;

const CHUNK: usize = 256;
const CHUNKS: usize = 256;
/// Seats that a thread takes from the table, or gives back to it, at a time.
const HANDFUL: usize = 32;

struct Table {
    chunks: [OnceLock<Box<[SeqlockRow]>>; CHUNKS],
    /// Seats below were handed out at least once.
    used: AtomicU32,
    free: Mutex<Vec<u32>>,
}

static TABLE: Table = Table {
    chunks: [const { OnceLock::new() }; CHUNKS],
    used: AtomicU32::new(0),
    free: Mutex::new(Vec::new()),
};

/// Free seats of one thread. Back to the table with the thread's end.
struct Free(Vec<u32>);

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Free(Vec::new())) };
}

/// Takes a free place; nothing when all are taken, or kept by other threads for their next requests.
#[inline]
pub(super) fn take() -> Option<u32> {
    FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten()
}

/// Gives a place back.
#[inline]
pub(super) fn put(place: u32) {
    if FREE.try_with(|free| free.borrow_mut().push(place)).is_err() {
        give_back([place]);
    }
}

/// Returns the number of places of which each was taken once, at least by a thread for its next requests.
pub(super) fn used() -> u32 {
    TABLE.used.load(Ordering::Acquire)
}

#[inline]
pub(super) fn cell(place: u32) -> &'static SeqlockRow {
    let place = place as usize;
    let chunk = TABLE.chunks[place / CHUNK].get_or_init(|| (0..CHUNK).map(|_| SeqlockRow::new()).collect());
    &chunk[place % CHUNK]
}

impl Free {
    #[inline]
    fn pop(&mut self) -> Option<u32> {
        if self.0.is_empty() {
            self.refill();
        }
        self.0.pop()
    }

    #[inline]
    fn push(&mut self, place: u32) {
        self.0.push(place);
        if self.0.len() > 2 * HANDFUL {
            give_back(self.0.drain(HANDFUL..));
        }
    }

    #[cold]
    fn refill(&mut self) {
        let mut free = TABLE.free.lock().unwrap_or_else(PoisonError::into_inner);
        let left = free.len().saturating_sub(HANDFUL);
        self.0.extend(free.drain(left..));
        let used = TABLE.used.load(Ordering::Relaxed);
        if self.0.is_empty() && (used as usize) < CHUNK * CHUNKS {
            let more = used + HANDFUL as u32;
            self.0.extend(used..more);
            TABLE.used.store(more, Ordering::Release);
        }
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        give_back(self.0.drain(..));
    }
}

#[cold]
fn give_back(places: impl IntoIterator<Item = u32>) {
    TABLE
        .free
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(places);
}
