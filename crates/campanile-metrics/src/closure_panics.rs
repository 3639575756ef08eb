//! Catches, counts and reports panics of a closure of the program.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::{Counter, Label, SharedString};

use crate::common::{CLOSURE, CLOSURE_PANICS};
use crate::{LazyHandle, RecorderHandle};

/// Catches the panics of one closure of the program and counts them by its name, as [`CLOSURE_PANICS`].
///
/// This crate logs nothing: the caller logs the panic if [`CaughtPanic::is_first`].
#[derive(Debug)]
pub struct ClosurePanics {
    name: SharedString,
    count: LazyHandle<Counter>,
    seen: AtomicBool,
}

/// A panic that was caught and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaughtPanic {
    message: String,
    is_first: bool,
}

impl ClosurePanics {
    /// Creates the counter of the closure with this name, which is its label and must be one of few.
    #[must_use]
    pub fn new(name: impl Into<SharedString>) -> Self {
        Self {
            name: name.into(),
            count: LazyHandle::new(),
            seen: AtomicBool::new(false),
        }
    }

    /// Returns the name of the closure.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls `closure`. What a panic leaves half changed is the concern of the closure.
    ///
    /// # Errors
    ///
    /// Returns the panic of the closure, which is counted.
    pub fn catch<T>(&self, recorder: RecorderHandle, closure: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
        catch_unwind(AssertUnwindSafe(closure)).map_err(|payload| self.count(recorder, payload))
    }

    /// Counts a panic that was caught elsewhere, for example by the runtime.
    #[cold]
    pub fn count(&self, recorder: RecorderHandle, payload: Box<dyn Any + Send>) -> CaughtPanic {
        let message = take_message(payload);
        // A recorder of the program that panics must not turn a caught panic into another one.
        let counted = catch_unwind(AssertUnwindSafe(|| {
            let count = self.count.get(recorder, |recorder| {
                CLOSURE_PANICS.register(recorder, vec![Label::new(CLOSURE, self.name.clone())])
            });
            if let Some(count) = count {
                count.increment(1);
            }
        }));
        if let Err(payload) = counted {
            drop_payload(payload);
        }
        CaughtPanic {
            message,
            is_first: !self.seen.swap(true, Ordering::Relaxed),
        }
    }
}

impl CaughtPanic {
    /// Returns the message of the panic, or `no message`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns whether this is the first panic of the closure, which is to be logged.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.is_first
    }
}

impl fmt::Display for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

/// The longest message that is kept, in bytes.
const MAX_MESSAGE: usize = 1024;

fn take_message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    let cut = (0..=text.len().min(MAX_MESSAGE)).rev();
    let end = cut
        .into_iter()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    let message = text[..end].to_owned();
    drop_payload(payload);
    message
}

/// Drops the payload of a panic. Its own destructor may panic as well, and so may the payload of that: the second is leaked.
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        let _ = ManuallyDrop::new(second);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;
    use std::sync::Arc;

    use metrics_util::debugging::DebuggingRecorder;

    use super::*;

    fn caught(closure: impl FnOnce()) -> CaughtPanic {
        ClosurePanics::new("test")
            .catch(RecorderHandle::global(), closure)
            .expect_err("the closure panics")
    }

    #[test]
    fn panics_are_counted_by_name_and_the_first_is_marked() {
        let recorder = Arc::new(DebuggingRecorder::new());
        let snapshotter = recorder.snapshotter();
        let handle = RecorderHandle::from(recorder);
        let panics = ClosurePanics::new("config");
        assert_eq!(panics.catch(handle, || 7), Ok(7));
        for first in [true, false] {
            let caught = panics.catch(handle, || panic!("number {}", 1)).unwrap_err();
            assert_eq!((caught.message(), caught.is_first()), ("number 1", first));
        }
        let counted = snapshotter.snapshot().into_vec();
        let (key, .., value) = &counted[0];
        assert_eq!(key.key().name(), "campanile_closure_panics_total");
        assert_eq!(format!("{value:?}"), "Counter(2)");
    }

    #[test]
    fn message_is_bounded_and_any_payload_is_dropped() {
        struct Bomb(u32);
        impl Drop for Bomb {
            fn drop(&mut self) {
                if self.0 > 0 {
                    panic_any(Self(self.0 - 1));
                }
            }
        }
        for depth in [0, 1, 2] {
            assert_eq!(caught(|| panic_any(Bomb(depth))).message(), "no message");
        }
        assert_eq!(
            caught(|| panic!("{}", "é".repeat(5000))).message().len(),
            MAX_MESSAGE
        );
    }
}
