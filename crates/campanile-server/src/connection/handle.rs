//! The connection of a request, in the request's extensions.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use campanile_lifecycle::PhaseReached;
use campanile_listen::{ListenAddress, ListenerLabel, PeerAddress};
use tokio::time::Sleep;

use super::state::ConnectionState;

/// The connection of a request, in the request's extensions.
///
/// Cloning copies a pointer. It does not keep the connection open, and the shutdown does not wait for it.
#[derive(Clone)]
pub struct Connection {
    state: Arc<ConnectionState>,
}

impl Connection {
    pub(crate) fn new(state: Arc<ConnectionState>) -> Self {
        Self { state }
    }

    /// Returns the address of the client.
    #[must_use]
    pub fn peer(&self) -> &PeerAddress {
        self.state.peer()
    }

    /// Returns the address that the client connected to; `None` for unix sockets.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.state.local()
    }

    /// Returns the address of the listener, which may be a wildcard address.
    #[must_use]
    pub fn listen_address(&self) -> &ListenAddress {
        &self.state.context().address
    }

    /// Returns the label of the listener.
    #[must_use]
    pub fn listener(&self) -> &ListenerLabel {
        &self.state.context().label
    }

    /// Returns whether this server terminates TLS on the connection.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.state.context().is_tls()
    }

    /// Returns how long the connection waited in the accept queue; `None` if the kernel does not report it or
    /// [`Server::queue_wait`](crate::Server::queue_wait) is disabled.
    #[must_use]
    pub fn queue_wait(&self) -> Option<Duration> {
        self.state.queue_wait()
    }

    /// Returns the time since the connection was accepted.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.state.activity.age()
    }

    /// Returns whether the client is asked to reconnect, because the service drains or the connection is too old.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.state.is_closing()
    }

    /// Completes when this connection should end because of a shutdown: at a random moment in the first half of the drain
    /// time, so that the clients of ten thousand WebSockets do not reconnect at once, or when the drain time is ended early.
    /// The maximum age of connections does not complete it.
    ///
    /// Handlers of WebSockets and event streams select on it, and say goodbye. It is cancel safe.
    pub fn draining(&self) -> ConnectionDraining {
        let handle = &self.state.context().handle;
        ConnectionDraining {
            state: Arc::clone(&self.state),
            phase: handle.draining(),
            delay: None,
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
pub struct ConnectionDraining {
    state: Arc<ConnectionState>,
    /// The beginning of the drain; once there is a delay, the end of the drain time.
    phase: PhaseReached,
    delay: Option<Pin<Box<Sleep>>>,
}

impl Future for ConnectionDraining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let this = &mut *self;
            let reached = Pin::new(&mut this.phase).poll(cx);
            match (&mut this.delay, reached) {
                (None, Poll::Pending) => return Poll::Pending,
                (None, Poll::Ready(())) => {
                    let context = this.state.context();
                    this.delay = Some(Box::pin(tokio::time::sleep(context.random_drain_delay())));
                    this.phase = context.handle.drain_elapsed();
                }
                (Some(_), Poll::Ready(())) => return Poll::Ready(()),
                (Some(delay), Poll::Pending) => return delay.as_mut().poll(cx),
            }
        }
    }
}

impl fmt::Debug for ConnectionDraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionDraining").finish_non_exhaustive()
    }
}
