//! Start-up work that the service is not ready without.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::check::CheckOutcome;
use crate::count::Count;
use crate::phase::Stage;
use crate::shared::{Name, Shared};

/// Keeps the service from being ready until [`release`](Self::release) is called. Made by
/// [`Lifecycle::latch`](crate::Lifecycle::latch).
///
/// **Dropped without being released** it keeps the service `starting` for ever, an error is logged, and
/// [`readiness`](crate::Handle::readiness) names it. Whoever held it panicked, or gave up, and did not do what the
/// service needs: to be ready would be a lie. To end the process would hide the reason: left standing it can be asked
/// for it, and the supervisor's own limit (`startupProbe`, `TimeoutStartSec=`) restarts it. A program that knows better
/// calls [`Handle::drain`](crate::Handle::drain).
#[must_use = "dropping a latch keeps the service from ever being ready"]
pub struct Latch {
    shared: Arc<Shared>,
    index: usize,
}

/// All latches of a service.
#[derive(Debug)]
pub(crate) struct Latches {
    held: Count,
    list: Mutex<Vec<(Name, State)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held,
    Released,
    Dropped,
}

impl Latch {
    pub(crate) fn new(shared: &Arc<Shared>, name: Name) -> Self {
        Self {
            shared: Arc::clone(shared),
            index: shared.latches.add(name),
        }
    }

    /// Says that the work is done.
    pub fn release(self) {
        let latches = &self.shared.latches;
        latches.set(self.index, State::Released);
        latches.held.remove();
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        let dropped = self.shared.latches.set(self.index, State::Dropped);
        if let Some(name) = dropped
            && self.shared.stage.now() == Stage::Starting
        {
            tracing::error!(
                latch = &*name,
                "a latch was dropped without being released: the service will not be ready"
            );
        }
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch").finish_non_exhaustive()
    }
}

impl Latches {
    pub(crate) fn new() -> Self {
        Self {
            held: Count::new(),
            list: Mutex::new(Vec::new()),
        }
    }

    /// Waits until all are released. The dropped ones never are.
    pub(crate) fn poll_released(&self, cx: &Context<'_>) -> Poll<()> {
        self.held.poll_zero(cx)
    }

    /// Names those that are not released, and says why.
    pub(crate) fn outstanding(&self) -> Vec<(Name, CheckOutcome)> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let outstanding = list.iter().filter_map(|(name, state)| match state {
            State::Held => Some((name.clone(), CheckOutcome::Held)),
            State::Dropped => Some((name.clone(), CheckOutcome::Abandoned)),
            State::Released => None,
        });
        outstanding.collect()
    }

    fn add(&self, name: Name) -> usize {
        self.held.add();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push((name, State::Held));
        list.len() - 1
    }

    /// Changes a latch that is held, and returns its name.
    fn set(&self, index: usize, state: State) -> Option<Name> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, old) = &mut list[index];
        (*old == State::Held).then(|| {
            *old = state;
            name.clone()
        })
    }
}
