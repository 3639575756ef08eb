//! A word that only rises, and those who wait for it to reach a level.
//!
//! Reading it is one atomic load. Waiting takes the lock once to leave a waker; polled again by the same task, a
//! waiter only loads the word, so that ten thousand connections may watch for the drain beside their work. That is why
//! this is no `tokio::sync::watch`, which takes a lock at each poll.
//!
//! No wake-up is lost: whoever raises stores the word before taking the lock, whoever waits looks at it again while
//! holding the lock.

use std::marker::PhantomData;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicU8, Mutex, Ordering};

#[derive(Debug)]
pub(crate) struct Level<T> {
    value: AtomicU8,
    waiters: Mutex<Waiters>,
    kind: PhantomData<fn() -> T>,
}

/// One waiter's place. Whoever was given one by [`Level::poll`] gives it back to [`Level::forget`].
#[derive(Debug, Default)]
pub(crate) struct Place(Option<Registered>);

#[derive(Debug)]
struct Registered {
    slot: usize,
    until: u8,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Waiters {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug)]
enum Slot {
    Free,
    Waiting { until: u8, waker: Waker },
    Woken,
}

impl<T: Copy + Into<u8> + From<u8>> Level<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: AtomicU8::new(value.into()),
            waiters: Mutex::new(Waiters::default()),
            kind: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> T {
        self.value.load(Ordering::Acquire).into()
    }

    /// Raises the word to at least this level; tells whether it was lower.
    pub(crate) fn raise_to(&self, level: T) -> bool {
        let level = level.into();
        let risen = self.value.fetch_max(level, Ordering::AcqRel) < level;
        if risen {
            self.wake(level);
        }
        risen
    }

    /// Waits until the word has reached a level.
    pub(crate) fn poll(&self, until: T, place: &mut Place, cx: &Context<'_>) -> Poll<()> {
        let until = until.into();
        if self.value.load(Ordering::Acquire) >= until {
            return Poll::Ready(());
        }
        let known = place.0.as_ref();
        let waits = |known: &Registered| known.until == until && known.waker.will_wake(cx.waker());
        if known.is_some_and(waits) {
            return Poll::Pending;
        }
        let waiting = Slot::Waiting {
            until,
            waker: cx.waker().clone(),
        };
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if self.value.load(Ordering::Acquire) >= until {
            return Poll::Ready(());
        }
        let (slot, old) = waiters.put(known.map(|registered| registered.slot), waiting);
        drop(waiters);
        // Dropping a waker may run code that waits for this level too.
        drop(old);
        place.0 = Some(Registered {
            slot,
            until,
            waker: cx.waker().clone(),
        });
        Poll::Pending
    }

    /// Gives a place back.
    pub(crate) fn forget(&self, place: &mut Place) {
        if let Some(registered) = place.0.take() {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut waiters.slots[registered.slot], Slot::Free);
            waiters.free.push(registered.slot);
            drop(waiters);
            drop(old);
        }
    }

    #[cold]
    fn wake(&self, level: u8) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = waiters.take(level);
        drop(waiters);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Waiters {
    fn put(&mut self, slot: Option<usize>, waiting: Slot) -> (usize, Option<Slot>) {
        match slot.or_else(|| self.free.pop()) {
            Some(slot) => (slot, Some(std::mem::replace(&mut self.slots[slot], waiting))),
            None => {
                self.slots.push(waiting);
                (self.slots.len() - 1, None)
            }
        }
    }

    fn take(&mut self, level: u8) -> Vec<Waker> {
        let due = |slot: &&mut Slot| matches!(slot, Slot::Waiting { until, .. } if *until <= level);
        let woken = self.slots.iter_mut().filter(due);
        let woken = woken.map(|slot| std::mem::replace(slot, Slot::Woken));
        let wakers = woken.filter_map(|slot| match slot {
            Slot::Waiting { waker, .. } => Some(waker),
            Slot::Free | Slot::Woken => None,
        });
        wakers.collect()
    }
}
