//! Start-up work that must finish before the service is ready.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::Name;
use crate::check::CheckOutcome;
use crate::phase::Stage;
use crate::state::LifecycleState;
use crate::wait_group::WaitGroup;

/// Keeps the service from being ready until [`release`](Self::release). Made by
/// [`Lifecycle::latch`](crate::Lifecycle::latch).
///
/// A latch that is **dropped without release** was held by code that panicked or gave up: the service stays `starting`,
/// an error is logged, and [`readiness`](crate::LifecycleHandle::readiness) names the latch. The process goes on running
/// so that the reason can be read from it, until the supervisor's own limit (`startupProbe`, `TimeoutStartSec=`) restarts
/// it. To end it earlier, call [`LifecycleHandle::drain`](crate::LifecycleHandle::drain).
#[must_use = "dropping a latch keeps the service from ever being ready"]
pub struct Latch {
    state: Arc<LifecycleState>,
    index: usize,
}

/// The latches of a service.
#[derive(Debug)]
pub(crate) struct Latches {
    unreleased: WaitGroup,
    list: Mutex<Vec<(Name, LatchState)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LatchState {
    Held,
    Released,
    Dropped,
}

impl Latch {
    pub(crate) fn new(state: &Arc<LifecycleState>, name: Name) -> Self {
        Self {
            state: Arc::clone(state),
            index: state.latches.add(name),
        }
    }

    /// Marks the start-up work as done.
    pub fn release(self) {
        let latches = &self.state.latches;
        latches.end(self.index, LatchState::Released);
        latches.unreleased.remove();
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        let dropped = self.state.latches.end(self.index, LatchState::Dropped);
        if let Some(name) = dropped
            && self.state.stage.get() == Stage::Starting
        {
            tracing::error!(
                latch = &*name,
                "latch dropped without release; the service will not become ready"
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
            unreleased: WaitGroup::new(),
            list: Mutex::new(Vec::new()),
        }
    }

    /// Completes once all latches are released; never if one was dropped.
    pub(crate) fn poll_released(&self, cx: &Context<'_>) -> Poll<()> {
        self.unreleased.poll_zero(cx)
    }

    /// Returns the latches that are not released.
    pub(crate) fn unreleased(&self) -> Vec<(Name, CheckOutcome)> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let unreleased = list.iter().filter_map(|(name, state)| match state {
            LatchState::Held => Some((name.clone(), CheckOutcome::Held)),
            LatchState::Dropped => Some((name.clone(), CheckOutcome::Abandoned)),
            LatchState::Released => None,
        });
        unreleased.collect()
    }

    fn add(&self, name: Name) -> usize {
        self.unreleased.add();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push((name, LatchState::Held));
        list.len() - 1
    }

    /// Changes the state of a latch and returns its name, if it is held.
    fn end(&self, index: usize, state: LatchState) -> Option<Name> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, current) = &mut list[index];
        (*current == LatchState::Held).then(|| {
            *current = state;
            name.clone()
        })
    }
}
