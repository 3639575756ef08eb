//! The handle that counts and limits the connections of one listener.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use campanile_metrics::{LazyHandle, RecorderHandle};
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::connection_control::ConnectionGuard;
use crate::metrics::{ListenerMetrics, count_accept_error};
use crate::{CountedIncoming, CountedIo, ListenerLabel};

/// Counts and limits the open connections of one listener.
///
/// Create one per listener and wrap whatever accepts with it: a stream for tonic with
/// [`count_incoming`](Self::count_incoming), a listener for axum with `count_listener` (feature `axum`), or the accepted
/// IO in an accept loop of your own with [`ready`](Self::ready) and [`ConnectionPermit::wrap`]. Cloning copies a pointer;
/// clones share count and limit. See the [crate docs](crate) for the metrics.
#[derive(Clone, Debug)]
pub struct Connections {
    state: Arc<ListenerState>,
}

/// Permission to have one more open connection, acquired before it is accepted.
///
/// Dropping it unused releases it.
#[derive(Debug)]
#[must_use = "dropping a permit releases it"]
pub struct ConnectionPermit {
    connections: Connections,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct ListenerState {
    label: ListenerLabel,
    limit: Option<ConnectionLimit>,
    recorder: RecorderHandle,
    metrics: LazyHandle<ListenerMetrics>,
    open: AtomicUsize,
}

#[derive(Debug)]
struct ConnectionLimit {
    max: usize,
    permits: Arc<Semaphore>,
}

impl Connections {
    /// Creates the handle of the listener with this label. Metrics are registered at the first accept.
    #[must_use]
    pub fn new(label: impl Into<ListenerLabel>) -> Self {
        Self::build(label.into(), None, RecorderHandle::global())
    }

    /// Limits the number of open connections. At the limit accepting pauses, and clients wait in the listener's accept
    /// queue; a limit of 0 accepts none. Set it before cloning: the returned handle starts its own count.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self::build(self.state.label.clone(), Some(limit), self.state.recorder)
    }

    /// Records to `recorder` instead of the global one. Set it before cloning: the returned handle starts its own count.
    #[must_use]
    pub fn with_recorder(self, recorder: impl Into<RecorderHandle>) -> Self {
        Self::build(self.state.label.clone(), self.limit(), recorder.into())
    }

    fn build(label: ListenerLabel, limit: Option<usize>, recorder: RecorderHandle) -> Self {
        let limit = limit.map(|max| ConnectionLimit {
            max,
            permits: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
        });
        Self {
            state: Arc::new(ListenerState {
                label,
                limit,
                recorder,
                metrics: LazyHandle::new(),
                open: AtomicUsize::new(0),
            }),
        }
    }

    /// Returns the label of the listener.
    #[must_use]
    pub fn label(&self) -> &ListenerLabel {
        &self.state.label
    }

    /// Returns the limit of open connections, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.state.limit.as_ref().map(|limit| limit.max)
    }

    /// Returns the number of open connections. It does not depend on a recorder.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::Acquire)
    }

    /// Waits until one more connection may be open. Accept after that, and wrap the accepted IO with
    /// [`ConnectionPermit::wrap`].
    ///
    /// Cancel safe: a dropped wait holds no permit. Waits are served in order.
    pub async fn ready(&self) -> ConnectionPermit {
        self.metrics();
        let permit = match &self.state.limit {
            // Fails only after `lift_limit`.
            Some(limit) => Arc::clone(&limit.permits).acquire_owned().await.ok(),
            None => None,
        };
        ConnectionPermit {
            connections: self.clone(),
            permit,
        }
    }

    /// Counts `io` as an open connection regardless of the limit, for connections that are accepted already.
    pub fn wrap<S>(&self, io: S) -> CountedIo<S> {
        CountedIo::new(io, ConnectionGuard::new(self.clone(), None))
    }

    /// Wraps a stream of accepted connections, for tonic's `serve_with_incoming`.
    pub fn count_incoming<I: Stream>(&self, incoming: I) -> CountedIncoming<I> {
        CountedIncoming::new(self.clone(), incoming)
    }

    /// Counts a failed accept by the name of its error number, in an accept loop of your own. [`CountedIncoming`] calls
    /// it itself.
    pub fn accept_failed(&self, error: &io::Error) {
        self.metrics();
        count_accept_error(self.state.recorder, &self.state.label, error);
    }

    /// Lifts the limit for good, as a listener does while it closes. Pending waits complete at once; the gauge of the
    /// limit keeps its value.
    pub fn lift_limit(&self) {
        if let Some(limit) = &self.state.limit {
            limit.permits.close();
        }
    }

    /// Returns a permit if one is available now.
    pub(crate) fn try_ready(&self) -> Option<ConnectionPermit> {
        self.metrics();
        let permit = match &self.state.limit {
            Some(limit) => match Arc::clone(&limit.permits).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(TryAcquireError::Closed) => None,
                Err(TryAcquireError::NoPermits) => return None,
            },
            None => None,
        };
        Some(ConnectionPermit {
            connections: self.clone(),
            permit,
        })
    }

    /// Returns the metric handles, registering them on first use; `None` while no recorder is installed.
    pub(crate) fn metrics(&self) -> Option<&ListenerMetrics> {
        let state = &self.state;
        state.metrics.get(state.recorder, |recorder| {
            ListenerMetrics::register(recorder, &state.label, self.limit())
        })
    }

    pub(crate) fn increment_open(&self) {
        self.state.open.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn decrement_open(&self) {
        self.state.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl ConnectionPermit {
    /// Counts `io` as an open connection. The permit is held until the returned IO is dropped.
    pub fn wrap<S>(self, io: S) -> CountedIo<S> {
        CountedIo::new(io, ConnectionGuard::new(self.connections, self.permit))
    }
}
