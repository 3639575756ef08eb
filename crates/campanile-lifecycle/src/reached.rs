//! A future that waits for a phase.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::level::Place;
use crate::phase::Stage;
use crate::shared::Shared;

/// Resolves once the service has come to a phase, or beyond it. [`Handle`](crate::Handle) makes it.
///
/// It owns what it needs and may be polled on any task, also again after it resolved. Where nothing changed a poll is
/// one atomic load, so it can stand beside the work of every connection. A clone waits for itself. Dropping it forgets
/// the waker.
#[must_use = "futures do nothing unless polled"]
pub struct Reached {
    shared: Arc<Shared>,
    stage: Stage,
    place: Place,
}

impl Reached {
    pub(crate) fn new(shared: &Arc<Shared>, stage: Stage) -> Self {
        Self {
            shared: Arc::clone(shared),
            stage,
            place: Place::default(),
        }
    }

    /// Tells whether it would resolve now.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.shared.stage.now() >= self.stage
    }
}

impl Future for Reached {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, stage, place } = self.get_mut();
        shared.stage.poll(*stage, place, cx)
    }
}

impl Clone for Reached {
    fn clone(&self) -> Self {
        Self::new(&self.shared, self.stage)
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        self.shared.stage.forget(&mut self.place);
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reached")
            .field("waits_for", &self.stage)
            .field("now", &self.shared.stage.now())
            .finish()
    }
}
