//! Boxes that are used again, for what a layer keeps of a request.
//!
//! What is known of an exchange passes from the layer's future to the answer's body. As a value it is copied with
//! each move of either, right after it was written in small pieces, which a processor likes least; in a box only a
//! pointer moves. A box costs an allocation, unless it is one that an exchange has left: each thread keeps those that
//! ended on it, up to [`LIMIT`]. Where exchanges begin on one thread and end on another, the first allocates.
//!
//! ```
//! use campanile_core::spares::Spares;
//!
//! thread_local! {
//!     static SPARES: Spares<[u64; 8]> = const { Spares::new() };
//! }
//!
//! let kept = Spares::keep(&SPARES, [1; 8]);
//! assert_eq!(kept[0], 1);
//! Spares::give_back(&SPARES, kept);
//! let again = Spares::keep(&SPARES, [2; 8]); // in the same box
//! assert_eq!(again[7], 2);
//! ```

use std::{cell::RefCell, fmt, thread::LocalKey};

/// Boxes that a thread keeps, of each kind; those above go back to the allocator.
pub const LIMIT: usize = 256;

/// The boxes that a thread keeps for its next requests.
pub struct Spares<T>(RefCell<Vec<Box<T>>>);

impl<T> Spares<T> {
    /// Makes an empty store.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// Puts a value into a spare box, or a new one where this thread has none.
    #[inline]
    pub fn keep(spares: &'static LocalKey<Self>, value: T) -> Box<T> {
        // During a thread's end the store may be gone.
        match spares.try_with(|spares| spares.0.borrow_mut().pop()) {
            Ok(Some(mut kept)) => {
                *kept = value;
                kept
            }
            // Not by a function: the value need not be in memory before it is in its box.
            _ => Box::new(value),
        }
    }

    /// Takes a box back. What stands in it is dropped when the box is used again, or with the thread: it should hold
    /// nothing that is missed until then.
    #[inline]
    pub fn give_back(spares: &'static LocalKey<Self>, kept: Box<T>) {
        // Where there is no store any more, the box is dropped with the closure.
        let _ = spares.try_with(|spares| {
            let mut spares = spares.0.borrow_mut();
            if spares.len() < LIMIT {
                spares.push(kept);
            }
        });
    }
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Spares<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spares").finish_non_exhaustive()
    }
}
