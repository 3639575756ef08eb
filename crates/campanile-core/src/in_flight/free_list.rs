//! The rows of the table, and the free lists of their indices: one per thread, and one for all.

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
/// Rows that a thread takes from the table or returns to it at a time.
const BATCH: usize = 32;

struct Table {
    chunks: [OnceLock<Box<[SeqlockRow]>>; CHUNKS],
    /// Rows below this index were handed out at least once.
    used: AtomicU32,
    free: Mutex<Vec<u32>>,
}

static TABLE: Table = Table {
    chunks: [const { OnceLock::new() }; CHUNKS],
    used: AtomicU32::new(0),
    free: Mutex::new(Vec::new()),
};

/// Takes a free row. `None` if all are taken, or held free by other threads.
#[inline]
pub(super) fn take() -> Option<u32> {
    FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten()
}

/// Returns a row to the free list of the thread.
#[inline]
pub(super) fn put(index: u32) {
    if FREE.try_with(|free| free.borrow_mut().push(index)).is_err() {
        return_rows([index]);
    }
}

/// Returns the number of rows that were handed out at least once, to a request or to a thread.
pub(super) fn used() -> u32 {
    TABLE.used.load(Ordering::Acquire)
}

#[inline]
pub(super) fn row(index: u32) -> &'static SeqlockRow {
    let index = index as usize;
    let chunk = TABLE.chunks[index / CHUNK].get_or_init(|| (0..CHUNK).map(|_| SeqlockRow::new()).collect());
    &chunk[index % CHUNK]
}

/// The free rows of one thread, which return to the table when the thread ends.
struct ThreadFreeList(Vec<u32>);

thread_local! {
    static FREE: RefCell<ThreadFreeList> = const { RefCell::new(ThreadFreeList(Vec::new())) };
}

impl ThreadFreeList {
    #[inline]
    fn pop(&mut self) -> Option<u32> {
        if self.0.is_empty() {
            self.refill();
        }
        self.0.pop()
    }

    #[inline]
    fn push(&mut self, index: u32) {
        self.0.push(index);
        if self.0.len() > 2 * BATCH {
            return_rows(self.0.drain(BATCH..));
        }
    }

    #[cold]
    fn refill(&mut self) {
        let mut free = TABLE.free.lock().unwrap_or_else(PoisonError::into_inner);
        let remaining = free.len().saturating_sub(BATCH);
        self.0.extend(free.drain(remaining..));
        let used = TABLE.used.load(Ordering::Relaxed);
        if self.0.is_empty() && (used as usize) < CHUNK * CHUNKS {
            let end = used + BATCH as u32;
            self.0.extend(used..end);
            TABLE.used.store(end, Ordering::Release);
        }
    }
}

impl Drop for ThreadFreeList {
    fn drop(&mut self) {
        return_rows(self.0.drain(..));
    }
}

#[cold]
fn return_rows(rows: impl IntoIterator<Item = u32>) {
    TABLE
        .free
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(rows);
}
