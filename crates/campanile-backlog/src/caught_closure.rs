//! A caller's closure that may panic without ending the monitor.

use std::fmt;

use campanile_metrics::{ClosurePanics, RecorderHandle};
use metrics::SharedString;

/// A closure that is called at each sample. If it panics, its last value stands.
pub(crate) struct CaughtClosure<T> {
    call: Box<dyn Fn() -> T + Send>,
    last: T,
    panics: ClosurePanics,
}

impl<T: Copy> CaughtClosure<T> {
    /// Wraps a closure, whose value is `first` until it returns one. `name` is its label and is logged.
    pub(crate) fn new(
        name: impl Into<SharedString>,
        first: T,
        call: impl Fn() -> T + Send + 'static,
    ) -> Self {
        Self {
            call: Box::new(call),
            last: first,
            panics: ClosurePanics::new(name),
        }
    }

    /// Calls the closure. A panic is counted, and the first is logged.
    pub(crate) fn call(&mut self, recorder: RecorderHandle) -> T {
        match self.panics.catch(recorder, || (self.call)()) {
            Ok(value) => self.last = value,
            Err(panic) if panic.is_first() => {
                let closure = self.panics.name();
                tracing::error!(%closure, %panic, "a closure of the backlog monitor panicked; its last value stands");
            }
            Err(_) => {}
        }
        self.last
    }
}

impl<T> fmt::Debug for CaughtClosure<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaughtClosure")
            .field("name", &self.panics.name())
            .finish_non_exhaustive()
    }
}
