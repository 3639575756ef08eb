//! Guards an exchange while foreign code runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{End, EndReason, Observer};

/// Enters the observer of an exchange, and ends the exchange as panicked if foreign code unwinds.
///
/// The observer stays where its end is certain until foreign code has returned.
#[derive(Debug)]
pub struct PollGuard<'a, O: Observer> {
    exchange: &'a mut Option<Box<O>>,
    bytes: u64,
}

impl<'a, O: Observer> PollGuard<'a, O> {
    /// Enters the observer, if there is one.
    #[inline]
    pub fn enter(exchange: &'a mut Option<Box<O>>, bytes: u64) -> Self {
        if let Some(observer) = exchange {
            observer.enter();
        }
        Self { exchange, bytes }
    }

    /// Guards an observer that was entered already.
    #[inline]
    pub fn of_entered(exchange: &'a mut Option<Box<O>>) -> Self {
        Self { exchange, bytes: 0 }
    }

    /// Returns the observer; `None` once the exchange has ended.
    #[inline]
    pub fn observer(&mut self) -> Option<&mut O> {
        self.exchange.as_deref_mut()
    }

    /// Leaves the observer; the exchange goes on.
    #[inline]
    pub fn leave(self) {
        let mut this = std::mem::ManuallyDrop::new(self);
        if let Some(observer) = this.observer() {
            observer.leave();
        }
    }

    /// Drops the guard; the observer stays entered.
    #[inline]
    pub fn forget(self) {
        let _ = std::mem::ManuallyDrop::new(self);
    }

    /// Ends the exchange and leaves the observer.
    #[inline]
    pub fn end(self, end: End<'_>) {
        if let Some(mut observer) = self.exchange.take() {
            // If `on_end` panics the observer is dropped, and the guard finds no exchange to end once more.
            let leaving = Leaving(&mut *observer);
            leaving.0.on_end(end);
            drop(leaving);
            observer.recycle();
        }
    }
}

impl<O: Observer> Drop for PollGuard<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(observer) = self.exchange.take() {
            end_panicked(observer, self.bytes);
        }
    }
}

/// Leaves the observer when dropped.
struct Leaving<'a, O: Observer>(&'a mut O);

impl<O: Observer> Drop for Leaving<'_, O> {
    #[inline]
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cold]
#[inline(never)]
fn end_panicked<O: Observer>(mut observer: Box<O>, bytes: u64) {
    let end = End {
        reason: EndReason::Panicked,
        bytes,
        trailers: None,
    };
    // The thread is unwinding: a second panic would abort the process.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let leaving = Leaving(&mut *observer);
        leaving.0.on_end(end);
    }));
    observer.recycle();
}
