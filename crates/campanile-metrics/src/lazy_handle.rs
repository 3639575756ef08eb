//! A handle that is resolved at its first use.

use std::sync::OnceLock;

use metrics::Recorder;

use crate::RecorderHandle;

/// One handle, or a set of handles, resolved at the first use after a recorder is installed and kept from then on.
///
/// Which thread resolves it makes no difference: neither its local recorder (`metrics::with_local_recorder`) nor the
/// span it is in counts, see [`RecorderHandle::with`].
#[derive(Debug)]
pub struct LazyHandle<T>(OnceLock<T>);

impl<T> LazyHandle<T> {
    /// Makes an unresolved handle.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Returns the handle if it is resolved already.
    #[inline]
    pub fn resolved(&self) -> Option<&T> {
        self.0.get()
    }
}

impl<T: Send + Sync> LazyHandle<T> {
    /// Returns the handle, calling `register` to resolve it on first use; `None` while no recorder is installed.
    #[inline]
    pub fn get(
        &self,
        recorder: RecorderHandle,
        register: impl FnOnce(&dyn Recorder) -> T + Send,
    ) -> Option<&T> {
        match self.0.get() {
            Some(handle) => Some(handle),
            None => self.resolve(recorder, register),
        }
    }

    #[cold]
    fn resolve(
        &self,
        recorder: RecorderHandle,
        register: impl FnOnce(&dyn Recorder) -> T + Send,
    ) -> Option<&T> {
        recorder.with(|recorder| self.0.get_or_init(|| register(recorder)))
    }
}

impl<T> Default for LazyHandle<T> {
    fn default() -> Self {
        Self::new()
    }
}
