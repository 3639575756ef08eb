//! Which recorder handles are resolved against.

use std::{
    fmt, ptr,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::Recorder;

/// The recorder that a crate records to: the global one, or one that the caller chose.
///
/// Made from a `&'static` reference or an [`Arc`]; both are compared by the address of the recorder, so that two layers
/// that were given the same recorder know it. A recorder in an `Arc` is kept for the life of the process, as the handles
/// resolved from it are.
///
/// ```
/// use std::sync::Arc;
/// use campanile_metrics::RecorderHandle;
/// use metrics_util::debugging::DebuggingRecorder;
///
/// let recorder = Arc::new(DebuggingRecorder::new());
/// let first = RecorderHandle::from(Arc::clone(&recorder));
/// let second = RecorderHandle::from(recorder);
/// assert_eq!(first, second);
/// assert_ne!(first, RecorderHandle::global());
/// ```
#[derive(Clone, Copy, Default)]
pub struct RecorderHandle(Option<&'static (dyn Recorder + Sync)>);

impl RecorderHandle {
    /// Returns the handle of the recorder that the process installed, or will install.
    ///
    /// A global recorder whose type has no size cannot be told from none: give it a field, or pass it as the caller's own.
    #[must_use]
    pub const fn global() -> Self {
        Self(None)
    }

    /// Calls `f` with the recorder; returns `None` while no global recorder is installed.
    pub fn with<R>(self, f: impl FnOnce(&dyn Recorder) -> R) -> Option<R> {
        match self.0 {
            Some(recorder) => Some(f(recorder)),
            // Without a recorder the facade lends its no-op, a type without a size. A handle of that one, once kept,
            // would never record.
            None => metrics::with_recorder(|recorder| (size_of_val(recorder) != 0).then(|| f(recorder))),
        }
    }

    /// Returns whether this is the handle of `recorder`.
    ///
    /// Not by `ptr::eq`, which compares vtables too: one type can have several. The size distinguishes a recorder from
    /// its own first field, and a type without a size has no address of its own.
    fn is(self, recorder: &(dyn Recorder + Sync)) -> bool {
        self.0.is_some_and(|own| {
            let size = size_of_val(own);
            size != 0 && size == size_of_val(recorder) && ptr::addr_eq(own, recorder)
        })
    }
}

impl PartialEq for RecorderHandle {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(_), Some(recorder)) => self.is(recorder),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<R: Recorder + Sync> From<&'static R> for RecorderHandle {
    fn from(recorder: &'static R) -> Self {
        Self(Some(recorder))
    }
}

impl<R: Recorder + Sync> From<&'static mut R> for RecorderHandle {
    /// Takes what [`Box::leak`] returns.
    fn from(recorder: &'static mut R) -> Self {
        Self::from(&*recorder)
    }
}

impl From<&'static (dyn Recorder + Sync)> for RecorderHandle {
    fn from(recorder: &'static (dyn Recorder + Sync)) -> Self {
        Self(Some(recorder))
    }
}

impl<R: Recorder + Send + Sync + 'static> From<Arc<R>> for RecorderHandle {
    fn from(recorder: Arc<R>) -> Self {
        static KEPT: Mutex<Vec<RecorderHandle>> = Mutex::new(Vec::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = kept.iter().find(|handle| handle.is(&*recorder)) {
            return *handle;
        }
        let leaked: &'static Arc<R> = Box::leak(Box::new(recorder));
        let handle = Self(Some(&**leaked));
        kept.push(handle);
        handle
    }
}

impl fmt::Debug for RecorderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            None => "RecorderHandle(global)",
            Some(_) => "RecorderHandle(own)",
        })
    }
}
