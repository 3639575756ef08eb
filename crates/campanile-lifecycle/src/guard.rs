//! Guards that hold off the end of the shutdown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Name;
use crate::state::LifecycleState;

/// Work in flight: while a guard is held, the shutdown waits for it, up to the stop timeout. Made by
/// [`LifecycleHandle::guard`](crate::LifecycleHandle::guard).
///
/// Take one for each listener, connection, upgraded socket and background task. Requests need none: the guard of their
/// connection covers them, and a counter that every request on every core writes to would be the slowest step of the
/// request path.
///
/// Dropping the guard ends the work, also while unwinding.
#[must_use = "the shutdown waits only while the guard is held"]
pub struct ShutdownGuard {
    state: Arc<LifecycleState>,
    id: Option<u64>,
}

/// The names of guards that have one, and of those that were cut.
#[derive(Debug, Default)]
pub(crate) struct GuardNames(Mutex<Names>);

#[derive(Debug, Default)]
struct Names {
    last_id: u64,
    held: BTreeMap<u64, Name>,
    cut: Vec<Name>,
}

impl ShutdownGuard {
    pub(crate) fn new(state: &Arc<LifecycleState>, name: Option<Name>) -> Self {
        state.in_flight.add();
        Self {
            state: Arc::clone(state),
            id: name.map(|name| state.guard_names.add(name)),
        }
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.state.guard_names.remove(id);
        }
        self.state.in_flight.remove();
    }
}

impl fmt::Debug for ShutdownGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownGuard").finish_non_exhaustive()
    }
}

impl GuardNames {
    fn add(&self, name: Name) -> u64 {
        self.with(|names| {
            names.last_id += 1;
            names.held.insert(names.last_id, name);
            names.last_id
        })
    }

    fn remove(&self, id: u64) {
        let name = self.with(|names| names.held.remove(&id));
        drop(name);
    }

    /// Records a task that was cut at its own deadline.
    pub(crate) fn add_cut(&self, name: Name) {
        self.with(|names| names.cut.push(name));
    }

    /// Records all held names as cut, and returns them.
    pub(crate) fn cut_held(&self) -> Vec<Name> {
        self.with(|names| {
            let held: Vec<Name> = names.held.values().cloned().collect();
            names.cut.extend(held.iter().cloned());
            held
        })
    }

    #[cfg(unix)]
    pub(crate) fn held(&self) -> Vec<Name> {
        self.with(|names| names.held.values().cloned().collect())
    }

    pub(crate) fn take_cut(&self) -> Vec<Name> {
        self.with(|names| std::mem::take(&mut names.cut))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Names) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
