//! What a request may ask of the connection that it came by.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use campanile_lifecycle::PhaseReached;
use campanile_listen::{ListenAddress, ListenerLabel, PeerAddress};
use tokio::time::{Instant, Sleep};

use super::state::State;

/// The connection of a request, found in the request's extensions.
///
/// Cloning copies a pointer. It does not keep the connection open, nor does the stop wait for it.
#[derive(Clone)]
pub struct Connection {
    state: Arc<State>,
}

impl Connection {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// Returns the address of the other side.
    #[must_use]
    pub fn peer(&self) -> &PeerAddress {
        self.state.peer()
    }

    /// Returns the address that the client connected to; nothing for unix sockets.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.state.local()
    }

    /// Returns the address of the listener, which may be a wildcard.
    #[must_use]
    pub fn listen_address(&self) -> &ListenAddress {
        &self.state.site().address
    }

    /// Returns the label of the listener.
    #[must_use]
    pub fn listener(&self) -> &ListenerLabel {
        &self.state.site().label
    }

    /// Tells whether the connection is encrypted by this server.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.state.site().is_tls()
    }

    /// Returns how long the connection waited in the kernel's queue, if the
    /// kernel knows and [`Server::queue_wait`](crate::Server::queue_wait) was not switched off.
    #[must_use]
    pub fn queue_wait(&self) -> Option<Duration> {
        self.state.queue_wait()
    }

    /// Returns the time since the connection was accepted.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.state.activity.now()
    }

    /// Tells whether the client is to go elsewhere, because the service drains or the connection is old.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.state.is_leaving()
    }

    /// Waits until this connection is asked to leave by a stop, not by its age: at a random moment in the first half of the drain time, so that
    /// the clients of ten thousand WebSockets do not reconnect in one instant, or when that is ended early.
    ///
    /// What speaks for long on an upgraded connection, or sends events, selects on it and says goodbye. Dropping the
    /// future is free.
    pub fn draining(&self) -> Draining {
        let handle = &self.state.site().handle;
        Draining {
            state: Arc::clone(&self.state),
            waits_for: handle.draining(),
            moment: None,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", self.peer())
            .field("listener", &self.listener().as_str())
            .field("is_tls", &self.is_tls())
            .field("is_draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

/// The future of [`Connection::draining`].
#[must_use = "futures do nothing unless polled"]
pub struct Draining {
    state: Arc<State>,
    /// First the begin of the drain, then, with the moment, its end.
    waits_for: PhaseReached,
    moment: Option<Pin<Box<Sleep>>>,
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let this = &mut *self;
            let reached = Pin::new(&mut this.waits_for).poll(cx);
            match (&mut this.moment, reached) {
                (None, Poll::Pending) => return Poll::Pending,
                (None, Poll::Ready(())) => {
                    let handle = &this.state.site().handle;
                    let left = handle
                        .drain_deadline()
                        .map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
                    let moment = tokio::time::sleep(left.mul_f64(0.5 * fastrand::f64()));
                    this.moment = Some(Box::pin(moment));
                    this.waits_for = handle.drain_elapsed();
                }
                (Some(_), Poll::Ready(())) => return Poll::Ready(()),
                (Some(moment), Poll::Pending) => return moment.as_mut().poll(cx),
            }
        }
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining").finish_non_exhaustive()
    }
}
