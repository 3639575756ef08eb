//! Boxes that are used again, one pool per thread and type.
//!
//! The state of an exchange moves from the future to the response body. As a value it would be copied at each move of
//! either; in a box only a pointer moves. A box from the pool costs no allocation: each thread keeps up to [`LIMIT`] boxes
//! that were recycled on it. Where exchanges begin on one thread and end on another, the first allocates.

use std::{
    cell::{Cell, RefCell},
    fmt,
    thread::LocalKey,
};

/// The number of boxes that a thread keeps of each type; further ones are freed.
pub const LIMIT: usize = 256;

/// The vacant boxes of one thread.
pub struct BoxPool<T> {
    /// The box that was recycled last: taking it back is one load and one store.
    last: Cell<Option<Box<T>>>,
    more: RefCell<Vec<Box<T>>>,
}

impl<T> BoxPool<T> {
    /// Makes an empty pool.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            last: Cell::new(None),
            more: RefCell::new(Vec::new()),
        }
    }

    /// Moves a value into a box from the pool, or into a new one if the pool is empty.
    #[inline]
    pub fn fill(pool: &'static LocalKey<Self>, value: T) -> Box<T> {
        match Self::take(pool) {
            Some(mut vacant) => {
                *vacant = value;
                vacant
            }
            None => Box::new(value),
        }
    }

    /// Takes a vacant box from the pool, with the value that it was recycled with.
    #[inline]
    #[must_use]
    pub fn take(pool: &'static LocalKey<Self>) -> Option<Box<T>> {
        // The pool may be gone while a thread ends.
        let take = |pool: &Self| pool.last.take().or_else(|| pool.more.borrow_mut().pop());
        pool.try_with(take).ok().flatten()
    }

    /// Returns a box to the pool. Its value is dropped when the box is filled again or the thread ends, so the caller
    /// first drops what must not live that long.
    #[inline]
    pub fn recycle(pool: &'static LocalKey<Self>, vacant: Box<T>) {
        let _ = pool.try_with(|pool| {
            if let Some(previous) = pool.last.replace(Some(vacant)) {
                pool.keep(previous);
            }
        });
    }

    #[inline(never)]
    fn keep(&self, vacant: Box<T>) {
        let mut more = self.more.borrow_mut();
        if more.len() < LIMIT {
            more.push(vacant);
        }
    }
}

impl<T> Default for BoxPool<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for BoxPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxPool").finish_non_exhaustive()
    }
}
