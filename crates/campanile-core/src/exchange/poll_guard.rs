//! Guards an exchange while foreign code runs.

use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

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
        let outside = Outside {
            exchange: &mut *exchange,
            bytes,
        };
        if let Some(observer) = &mut *outside.exchange {
            observer.enter();
        }
        let _ = ManuallyDrop::new(outside);
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

    /// Returns the bytes of response data that were handed over when the observer was entered.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Leaves the observer; the exchange goes on.
    #[inline]
    pub fn leave(self) {
        let mut this = ManuallyDrop::new(self);
        let outside = Outside {
            bytes: this.bytes,
            exchange: &mut *this.exchange,
        };
        if let Some(observer) = &mut *outside.exchange {
            observer.leave();
        }
        let _ = ManuallyDrop::new(outside);
    }

    /// Drops the guard; the observer stays entered.
    #[inline]
    pub fn forget(self) {
        let _ = ManuallyDrop::new(self);
    }

    /// Ends the exchange and leaves the observer.
    #[inline]
    pub fn end(self, end: End<'_>) {
        if let Some(mut observer) = self.exchange.take() {
            // If `on_end` panics the observer is dropped, and the guard finds no exchange to end once more.
            let leaving = Leaving(&mut *observer);
            leaving.0.on_end(end);
            leaving.leave();
            observer.recycle();
        }
    }

    /// Ends the exchange where the future or the body is dropped, which may happen while the thread unwinds.
    #[inline]
    pub fn end_at_drop(self, end: End<'_>) {
        if !thread::panicking() {
            return self.end(end);
        }
        if let Some(observer) = self.exchange.take() {
            end_while_unwinding(observer, end, true);
        }
    }
}

impl<O: Observer> Drop for PollGuard<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(observer) = self.exchange.take() {
            end_while_unwinding(observer, panicked(self.bytes), true);
        }
    }
}

/// Ends an exchange whose observer panics when it is entered or left: it counts as not entered then.
struct Outside<'a, O: Observer> {
    exchange: &'a mut Option<Box<O>>,
    bytes: u64,
}

impl<O: Observer> Drop for Outside<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if let Some(observer) = self.exchange.take() {
            end_while_unwinding(observer, panicked(self.bytes), false);
        }
    }
}

/// Leaves the observer if what it encloses panics.
pub(super) struct Leaving<'a, O: Observer>(pub(super) &'a mut O);

impl<O: Observer> Leaving<'_, O> {
    #[inline]
    fn leave(self) {
        ManuallyDrop::new(self).0.leave();
    }
}

impl<O: Observer> Drop for Leaving<'_, O> {
    #[inline]
    fn drop(&mut self) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.0.leave()));
    }
}

pub(super) const fn panicked(bytes: u64) -> End<'static> {
    End {
        reason: EndReason::Panicked,
        bytes,
        trailers: None,
    }
}

/// Ends an exchange while the thread unwinds: a second panic would abort the process.
#[cold]
#[inline(never)]
pub(super) fn end_while_unwinding<O: Observer>(mut observer: Box<O>, end: End<'_>, is_entered: bool) {
    let _ = catch_unwind(AssertUnwindSafe(|| observer.on_end(end)));
    if is_entered {
        let _ = catch_unwind(AssertUnwindSafe(|| observer.leave()));
    }
    // Not recycled: an observer that panicked may have kept something.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(observer)));
}

/// Runs both, the second also if the first panics; a panic of the second is swallowed then.
#[inline]
pub fn run_both(first: impl FnOnce(), second: impl FnOnce()) {
    struct OnUnwind<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for OnUnwind<F> {
        #[inline]
        fn drop(&mut self) {
            if let Some(run) = self.0.take() {
                let _ = catch_unwind(AssertUnwindSafe(run));
            }
        }
    }
    let mut second = OnUnwind(Some(second));
    first();
    if let Some(second) = second.0.take() {
        second();
    }
}
