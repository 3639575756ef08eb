//! The recorder that the process installed, without the thread-local one that the facade prefers to it.
//!
//! The facade lends one or the other without saying which. A new thread has no local recorder, so it finds out the
//! identity of the global one, once; then a comparison suffices, unless a local recorder is in force.

use std::{panic, sync::OnceLock, thread};

use metrics::Recorder;

use crate::identity::Identity;

static GLOBAL: OnceLock<Identity> = OnceLock::new();

/// Calls `f` with the global recorder; returns `None` while there is none, or if a thread is needed and cannot be started.
pub(crate) fn with<R: Send>(f: impl FnOnce(&dyn Recorder) -> R + Send) -> Option<R> {
    let lent = metrics::with_recorder(Identity::of_installed);
    if lent.is_none() && GLOBAL.get().is_none() {
        return None;
    }
    let global = global()?;
    if lent == Some(global) {
        return Some(metrics::with_recorder(f));
    }
    on_new_thread(|| metrics::with_recorder(f))
}

/// Returns the identity of the global recorder, which stays the same once it is installed.
fn global() -> Option<Identity> {
    if let Some(global) = GLOBAL.get() {
        return Some(*global);
    }
    let global = on_new_thread(|| metrics::with_recorder(Identity::of_installed))??;
    Some(*GLOBAL.get_or_init(|| global))
}

/// Calls `f` on a thread without a local recorder.
fn on_new_thread<R: Send>(f: impl FnOnce() -> R + Send) -> Option<R> {
    if cfg!(target_family = "wasm") {
        // No threads, hence no other threads' local recorders either.
        return Some(f());
    }
    let result = thread::scope(|scope| {
        let thread = thread::Builder::new().name("metrics".to_owned());
        thread.spawn_scoped(scope, f).map(thread::ScopedJoinHandle::join)
    });
    match result {
        Ok(Ok(value)) => Some(value),
        Ok(Err(panic)) => panic::resume_unwind(panic),
        // Out of threads: the next use tries again.
        Err(_) => None,
    }
}
