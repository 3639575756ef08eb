//! The handle of one listener: what its connections share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_core::Stream;
use metrics::Recorder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::control::Guard;
use crate::errno::errno_name;
use crate::metrics::{Handles, Source};
use crate::{CountedIncoming, CountedIo, ListenerLabel};

/// Counts the connections of one listener and holds its limit.
///
/// Make one per listener and let it wrap what accepts: [`count_incoming`](Self::count_incoming) a stream for
/// tonic, `count_listener` (feature `axum`) for axum, or [`ready`](Self::ready) and [`Slot::wrap`] in an
/// accept loop of your own. Cloning copies a pointer; clones share count and limit. See the [crate
/// docs](crate) for what is measured.
#[derive(Clone, Debug)]
pub struct Connections {
    shared: Arc<Shared>,
}

/// The right to have one more open connection, taken before it is accepted.
///
/// Dropping it unused gives the place to the next.
#[derive(Debug)]
#[must_use = "a slot that is dropped holds no place under the limit"]
pub struct Slot {
    connections: Connections,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Shared {
    label: ListenerLabel,
    limit: Option<Limit>,
    metrics: Source,
    open: AtomicUsize,
}

#[derive(Debug)]
struct Limit {
    connections: usize,
    permits: Arc<Semaphore>,
}

impl Connections {
    /// Creates the handle of the listener with this label. It registers nothing yet: metrics appear with the
    /// first accept.
    #[must_use]
    pub fn new(label: impl Into<ListenerLabel>) -> Self {
        Self::build(label.into(), None, None)
    }

    /// Limits the connections that are open at once. At the limit accepting pauses, and clients wait in the
    /// kernel's queue of the listener. Set it before cloning: the result counts for itself.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0, with which nothing would ever be accepted.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        assert!(limit > 0, "the limit of open connections must be above 0");
        Self::build(self.shared.label.clone(), Some(limit), self.shared.metrics.own())
    }

    /// Records to `recorder` instead of the global one. Set it before cloning: the result counts for itself.
    #[must_use]
    pub fn with_recorder(self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        Self::build(self.shared.label.clone(), self.limit(), Some(recorder))
    }

    /// Returns the label of the listener.
    #[must_use]
    pub fn label(&self) -> &ListenerLabel {
        &self.shared.label
    }

    /// Returns the limit of open connections, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.shared.limit.as_ref().map(|limit| limit.connections)
    }

    /// Returns how many connections are open now, whether or not a recorder is installed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Waits until one more connection may be open. Accept only then, and wrap what was accepted by
    /// [`Slot::wrap`].
    ///
    /// Cancel safe: a dropped wait takes no place, and waits are served in their order.
    pub async fn ready(&self) -> Slot {
        self.handles();
        let permit = match &self.shared.limit {
            // An error says that the limit was lifted.
            Some(limit) => Arc::clone(&limit.permits).acquire_owned().await.ok(),
            None => None,
        };
        Slot {
            connections: self.clone(),
            permit,
        }
    }

    /// Counts `io` as an open connection without asking the limit, for connections that were accepted
    /// already.
    pub fn wrap<S>(&self, io: S) -> CountedIo<S> {
        CountedIo::new(io, Guard::new(self.clone(), None))
    }

    /// Wraps a stream of accepted connections, as tonic's `serve_with_incoming` takes it.
    pub fn count_incoming<I: Stream>(&self, incoming: I) -> CountedIncoming<I> {
        CountedIncoming::new(self.clone(), incoming)
    }

    /// Counts a failed accept by the name of its error number. For accept loops of your own;
    /// [`CountedIncoming`] does it by itself.
    pub fn accept_failed(&self, error: &io::Error) {
        self.handles();
        self.shared
            .metrics
            .accept_failed(&self.shared.label, errno_name(error));
    }

    /// Lifts the limit for good, as the last sweep of a stop needs it: whoever waits goes on at once. The
    /// gauge of the limit keeps its value.
    pub fn lift_limit(&self) {
        if let Some(limit) = &self.shared.limit {
            limit.permits.close();
        }
    }

    /// Returns a slot if one is free now.
    pub(crate) fn try_ready(&self) -> Option<Slot> {
        self.handles();
        let permit = match &self.shared.limit {
            Some(limit) => match Arc::clone(&limit.permits).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(tokio::sync::TryAcquireError::Closed) => None,
                Err(tokio::sync::TryAcquireError::NoPermits) => return None,
            },
            None => None,
        };
        Some(Slot {
            connections: self.clone(),
            permit,
        })
    }

    /// Resolves the metrics, which makes their series appear.
    pub(crate) fn handles(&self) -> Arc<Handles> {
        self.shared.metrics.handles(&self.shared.label, self.limit())
    }

    pub(crate) fn count_in(&self) {
        self.shared.open.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn count_out(&self) {
        self.shared.open.fetch_sub(1, Ordering::AcqRel);
    }

    fn build(
        label: ListenerLabel,
        limit: Option<usize>,
        recorder: Option<&'static (dyn Recorder + Sync)>,
    ) -> Self {
        let limit = limit.map(|connections| {
            let permits = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
            Limit { connections, permits }
        });
        let shared = Shared {
            label,
            limit,
            metrics: Source::new(recorder),
            open: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Slot {
    /// Counts `io` as an open connection. The place under the limit is held until the result is dropped.
    pub fn wrap<S>(self, io: S) -> CountedIo<S> {
        CountedIo::new(io, Guard::new(self.connections, self.permit))
    }
}
