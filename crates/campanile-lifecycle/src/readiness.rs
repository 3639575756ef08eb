//! The readiness of a service, as data.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;

use crate::Name;
use crate::check::CheckOutcome;
use crate::phase::{Phase, Stage};
use crate::phase_reached::PhaseReached;
use crate::state::LifecycleState;

/// Whether the service is ready, and why not: the content of a `/readyz` response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    phase: Phase,
    time_left: Option<Duration>,
    checks: Vec<(Name, CheckOutcome)>,
}

impl Readiness {
    /// Returns whether the phase is `ready` and every check passed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready && self.checks.iter().all(|(_, outcome)| outcome.is_ok())
    }

    /// Returns the phase, as read after the checks.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns the rest of the drain time: `None` before the drain, zero after it.
    #[must_use]
    pub const fn time_left(&self) -> Option<Duration> {
        self.time_left
    }

    /// Iterates over the unreleased latches and the checks, in the order in which they were added.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &CheckOutcome)> {
        self.checks.iter().map(|(name, outcome)| (&**name, outcome))
    }

    pub(crate) async fn check(state: &Arc<LifecycleState>) -> Self {
        let mut checks = state.latches.unreleased();
        checks.extend(run_all(state, PhaseReached::new(state, Stage::Draining)).await);
        Self {
            phase: state.phase(),
            time_left: state.drain_time_left(),
            checks,
        }
    }
}

/// Runs all checks concurrently, until the drain begins.
async fn run_all(state: &LifecycleState, draining: PhaseReached) -> Vec<(Name, CheckOutcome)> {
    let (checks, recorder) = (state.checks.all(), state.metrics.recorder());
    let mut outcomes = vec![CheckOutcome::Skipped; checks.len()];
    if !draining.is_reached() {
        let mut running: Vec<_> = checks
            .iter()
            .map(|check| check.run(recorder))
            .enumerate()
            .collect();
        let mut draining = pin!(draining);
        poll_fn(|cx| {
            // Polls all of them at each wake-up: they are few, and run every few seconds.
            running.retain_mut(|(index, outcome)| match outcome.poll_unpin(cx) {
                Poll::Ready(outcome) => {
                    outcomes[*index] = outcome;
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() {
                return Poll::Ready(());
            }
            draining.as_mut().poll(cx)
        })
        .await;
    }
    let names = checks.iter().map(|check| check.name.clone());
    names.zip(outcomes).collect()
}
