//! A cell whose value only rises, and which wakes tasks when it reaches a level.
//!
//! Reading it is one atomic load. A task takes the lock once, to register its waker; polled again, it only loads the value,
//! so ten thousand connections can watch for the drain in their own polls. `tokio::sync::watch` takes a lock at each poll.
//!
//! No wake-up is lost: a writer stores the value before it takes the lock, and a waiter loads it again under the lock.

use std::marker::PhantomData;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicU8, Mutex, Ordering};

#[derive(Debug)]
pub(crate) struct WatchCell<T> {
    value: AtomicU8,
    waiters: Mutex<Waiters>,
    kind: PhantomData<fn() -> T>,
}

/// The registration of one waiter, made by [`WatchCell::poll_reached`] and undone by [`WatchCell::forget`].
#[derive(Debug, Default)]
pub(crate) struct Waiter(Option<Registration>);

#[derive(Debug)]
struct Registration {
    index: usize,
    level: u8,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Waiters {
    entries: Vec<WaiterEntry>,
    free: Vec<usize>,
}

#[derive(Debug)]
enum WaiterEntry {
    Free,
    Waiting { level: u8, waker: Waker },
    Woken,
}

impl<T: Copy + Into<u8> + From<u8>> WatchCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: AtomicU8::new(value.into()),
            waiters: Mutex::new(Waiters::default()),
            kind: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> T {
        self.value.load(Ordering::Acquire).into()
    }

    /// Raises the value to at least `level`; returns whether it was lower.
    pub(crate) fn raise_to(&self, level: T) -> bool {
        let level = level.into();
        let raised = self.value.fetch_max(level, Ordering::AcqRel) < level;
        if raised {
            self.wake(level);
        }
        raised
    }

    /// Completes once the value is at least `level`.
    pub(crate) fn poll_reached(&self, level: T, waiter: &mut Waiter, cx: &Context<'_>) -> Poll<()> {
        self.poll_level(level.into(), waiter, cx)
    }

    /// Completes once the value is above `level`.
    pub(crate) fn poll_above(&self, level: T, waiter: &mut Waiter, cx: &Context<'_>) -> Poll<()> {
        self.poll_level(level.into().saturating_add(1), waiter, cx)
    }

    fn poll_level(&self, level: u8, waiter: &mut Waiter, cx: &Context<'_>) -> Poll<()> {
        if self.value.load(Ordering::Acquire) >= level {
            return Poll::Ready(());
        }
        let known = waiter.0.as_ref();
        if known.is_some_and(|known| known.level == level && known.waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let entry = WaiterEntry::Waiting {
            level,
            waker: cx.waker().clone(),
        };
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if self.value.load(Ordering::Acquire) >= level {
            return Poll::Ready(());
        }
        let (index, old) = waiters.insert(known.map(|known| known.index), entry);
        drop(waiters);
        // Dropping a waker can run code that polls this cell.
        drop(old);
        waiter.0 = Some(Registration {
            index,
            level,
            waker: cx.waker().clone(),
        });
        Poll::Pending
    }

    /// Removes the registration of a waiter.
    pub(crate) fn forget(&self, waiter: &mut Waiter) {
        if let Some(registration) = waiter.0.take() {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut waiters.entries[registration.index], WaiterEntry::Free);
            waiters.free.push(registration.index);
            drop(waiters);
            drop(old);
        }
    }

    #[cold]
    fn wake(&self, level: u8) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let wakers = waiters.take_reached(level);
        drop(waiters);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Waiters {
    /// Stores an entry at its known index or a free one; returns the index and the entry that was there.
    fn insert(&mut self, index: Option<usize>, entry: WaiterEntry) -> (usize, Option<WaiterEntry>) {
        match index.or_else(|| self.free.pop()) {
            Some(index) => (index, Some(std::mem::replace(&mut self.entries[index], entry))),
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1, None)
            }
        }
    }

    /// Takes the wakers of all waiters whose level is reached.
    fn take_reached(&mut self, value: u8) -> Vec<Waker> {
        let reached =
            |entry: &&mut WaiterEntry| matches!(entry, WaiterEntry::Waiting { level, .. } if *level <= value);
        let entries = self.entries.iter_mut().filter(reached);
        let taken = entries.map(|entry| std::mem::replace(entry, WaiterEntry::Woken));
        let wakers = taken.filter_map(|entry| match entry {
            WaiterEntry::Waiting { waker, .. } => Some(waker),
            WaiterEntry::Free | WaiterEntry::Woken => None,
        });
        wakers.collect()
    }
}
