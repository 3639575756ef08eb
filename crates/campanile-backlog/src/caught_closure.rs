//! A caller's closure that may panic without ending the monitor.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_metrics::{LazyHandle, RecorderHandle};
use metrics::{Counter, SharedString};

use crate::metrics::closure_panics;

/// A closure that is called at each sample. If it panics, its last value stands.
pub(crate) struct CaughtClosure<T> {
    name: SharedString,
    call: Box<dyn Fn() -> T + Send>,
    last: T,
    panics: LazyHandle<Counter>,
    is_logged: bool,
}

impl<T: Copy> CaughtClosure<T> {
    /// Wraps a closure, whose value is `first` until it returns one. `name` is its label and is logged.
    pub(crate) fn new(
        name: impl Into<SharedString>,
        first: T,
        call: impl Fn() -> T + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            call: Box::new(call),
            last: first,
            panics: LazyHandle::new(),
            is_logged: false,
        }
    }

    /// Calls the closure. A panic is counted, and the first is logged.
    pub(crate) fn call(&mut self, recorder: RecorderHandle) -> T {
        match catch_unwind(AssertUnwindSafe(|| (self.call)())) {
            Ok(value) => self.last = value,
            Err(_) => self.count_panic(recorder),
        }
        self.last
    }

    #[cold]
    fn count_panic(&mut self, recorder: RecorderHandle) {
        if !std::mem::replace(&mut self.is_logged, true) {
            tracing::error!(closure = %self.name, "a closure of the backlog monitor panicked; its last value stands");
        }
        let panics = self
            .panics
            .get(recorder, |recorder| closure_panics(recorder, &self.name));
        if let Some(panics) = panics {
            panics.increment(1);
        }
    }
}

impl<T> fmt::Debug for CaughtClosure<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaughtClosure")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
