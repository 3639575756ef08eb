//! The answer to "are you ready?", as data.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::check::{Check, CheckOutcome};
use crate::phase::{Phase, Stage};
use crate::reached::Reached;
use crate::shared::{Name, Shared};

/// Whether the service is ready, and why not: what `/readyz` answers, before it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    phase: Phase,
    time_left: Option<Duration>,
    checks: Vec<(Name, CheckOutcome)>,
}

impl Readiness {
    /// Tells whether the service is ready: that is its phase, and every check is well.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready && self.checks.iter().all(|(_, outcome)| outcome.is_ok())
    }

    /// Returns the phase, read after the checks.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns what is left of the drain time; nothing before the drain, zero after it.
    #[must_use]
    pub const fn time_left(&self) -> Option<Duration> {
        self.time_left
    }

    /// Walks the checks, and the latches that are not released, in the order in which they were made.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &CheckOutcome)> {
        self.checks.iter().map(|(name, outcome)| (&**name, outcome))
    }

    pub(crate) async fn of(shared: &Arc<Shared>) -> Self {
        let mut checks = shared.latches.outstanding();
        checks.extend(ask(&shared.checks.all(), Reached::new(shared, Stage::Draining)).await);
        Self {
            phase: shared.phase(),
            time_left: shared.time_left(),
            checks,
        }
    }
}

/// Asks all checks at once. When the drain begins they are waited for no longer: it must be seen at once.
async fn ask(checks: &[Arc<Check>], draining: Reached) -> Vec<(Name, CheckOutcome)> {
    let mut outcomes = vec![CheckOutcome::NotAsked; checks.len()];
    if !draining.is_reached() {
        let mut asked: Vec<_> = checks.iter().map(Check::ask).enumerate().collect();
        let mut draining = pin!(draining);
        poll_fn(|cx| {
            // All are polled at each wake-up: they are few, and asked for once in seconds.
            asked.retain_mut(|(index, answer)| match answer.as_mut().poll(cx) {
                Poll::Ready(outcome) => {
                    outcomes[*index] = outcome;
                    false
                }
                Poll::Pending => true,
            });
            if asked.is_empty() {
                return Poll::Ready(());
            }
            draining.as_mut().poll(cx)
        })
        .await;
    }
    let names = checks.iter().map(|check| check.name.clone());
    names.zip(outcomes).collect()
}
