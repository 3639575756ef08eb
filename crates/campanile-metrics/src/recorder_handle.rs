//! Which recorder handles are resolved against.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::Recorder;
use tracing_core::dispatcher::{self, Dispatch};

use crate::{global_recorder, identity::Identity};

/// The recorder that a crate records to: the global one, or one that the caller chose.
///
/// Made from a `&'static` reference or an [`Arc`]; both are compared by the address of the recorder, so that two layers
/// that were given the same recorder know it. Recorders of a type without a size are compared by the type too. A recorder
/// in an `Arc` is kept for the life of the process, as the handles resolved from it are.
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
    /// Not of a thread-local one (`metrics::with_local_recorder`): what is resolved once, for all threads, must not
    /// depend on the thread that comes first. A test gives its recorder to the layer, by the layer's `with_recorder`.
    #[must_use]
    pub const fn global() -> Self {
        Self(None)
    }

    /// Calls `f`, which registers handles, with the recorder; returns `None` while no global recorder is installed.
    ///
    /// No `tracing` span is current for `f`: recorders such as `metrics-tracing-context` turn the fields of the current
    /// span into labels, and those of one request do not belong to a handle that all share. For lack of a way to leave
    /// the spans only, events that the recorder logs there are lost while a span is current.
    ///
    /// Under a thread-local recorder `f` is called on another thread; if that cannot be started, the result is `None`.
    pub fn with<R: Send>(self, f: impl FnOnce(&dyn Recorder) -> R + Send) -> Option<R> {
        match self.0 {
            Some(recorder) => Some(outside_spans(|| f(recorder))),
            None => global_recorder::with(|recorder| outside_spans(|| f(recorder))),
        }
    }

    fn identity(self) -> Option<Identity> {
        self.0.map(|recorder| Identity::of(recorder))
    }
}

fn outside_spans<R>(f: impl FnOnce() -> R) -> R {
    if dispatcher::get_default(|dispatch| dispatch.current_span().id().is_some()) {
        dispatcher::with_default(&Dispatch::none(), f)
    } else {
        f()
    }
}

impl PartialEq for RecorderHandle {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for RecorderHandle {}

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
        let identity = Identity::of(&*recorder);
        if let Some(handle) = kept.iter().find(|handle| handle.identity() == Some(identity)) {
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
