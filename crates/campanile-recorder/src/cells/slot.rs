//! Numbers the threads that live, the lowest free number first.
//!
//! One numbering for the process, not one for each recorder: a thread finds its number by one load, and a number is
//! owned by one thread at a time, which is all that a recorder needs.

use std::{
    cell::Cell,
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, PoisonError},
};

/// What a thread has that owns no memory: it was never given a number, or is ending and gave it back.
pub(crate) const NONE: u32 = u32::MAX;
const UNKNOWN: u32 = u32::MAX - 1;

static NUMBERS: Numbers = Numbers::new();

thread_local! {
    // Without a destructor and known at compile time: reading it is one load.
    static NUMBER: Cell<u32> = const { Cell::new(UNKNOWN) };
    static GIVES_BACK: GivesBack = const { GivesBack };
}

/// The number of the calling thread if it has one, else one that no table has an entry for.
#[inline]
pub(crate) fn known() -> usize {
    NUMBER.with(Cell::get) as usize
}

/// The number of the calling thread; [`NONE`] only in a thread that is ending.
pub(crate) fn current() -> u32 {
    match NUMBER.with(Cell::get) {
        UNKNOWN => take(),
        number => number,
    }
}

fn take() -> u32 {
    // Fails in a thread whose thread-locals are being destroyed, which would never give the number back.
    let number = GIVES_BACK.try_with(|_| NUMBERS.take()).unwrap_or(NONE);
    NUMBER.with(|current| current.set(number));
    number
}

struct GivesBack;

impl Drop for GivesBack {
    fn drop(&mut self) {
        // What other thread-locals count in their destructors must no longer go where the next owner counts.
        let number = NUMBER.with(|current| current.replace(NONE));
        NUMBERS.give_back(number);
    }
}

/// The numbers that are free.
///
/// The lock is what hands a number over: all that the old owner stored happened before the new owner loads it.
struct Numbers(Mutex<Free>);

struct Free {
    returned: BinaryHeap<Reverse<u32>>,
    next: u32,
}

impl Numbers {
    const fn new() -> Self {
        Self(Mutex::new(Free {
            returned: BinaryHeap::new(),
            next: 0,
        }))
    }

    fn take(&self) -> u32 {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Reverse(number)) = free.returned.pop() {
            return number;
        }
        let number = free.next;
        free.next += 1;
        number
    }

    fn give_back(&self, number: u32) {
        if number < UNKNOWN {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .returned
                .push(Reverse(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given() {
        let numbers = Numbers::new();
        assert_eq!([numbers.take(), numbers.take(), numbers.take()], [0, 1, 2]);
        numbers.give_back(1);
        numbers.give_back(0);
        assert_eq!([numbers.take(), numbers.take(), numbers.take()], [0, 1, 3]);
    }

    #[test]
    fn a_thread_keeps_its_number_and_gives_it_back() {
        let number = || {
            let (first, second) = std::thread::spawn(|| (current(), current()))
                .join()
                .expect("does not panic");
            assert_eq!(first, second);
            first
        };
        // Other tests take numbers meanwhile, and some keep them for long: not each pair of threads gets the same.
        let found = (0..1_000).any(|_| number() == number());
        assert!(found, "of no two threads the second got the number of the first");
    }
}
