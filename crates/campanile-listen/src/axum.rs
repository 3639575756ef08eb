//! The counted listener for `axum::serve`.

use std::io;

use axum::serve::{Listener, ListenerExt, TapIo};

use crate::{Connections, CountedIo};

/// What [`Connections::count_listener`] returns: a [`CountedListener`] in axum's own [`TapIo`].
pub type TappedListener<L> = TapIo<CountedListener<L>, fn(&mut CountedIo<<L as Listener>::Io>)>;

/// A listener that counts its connections and accepts only when one more may be open.
///
/// On its own it serves `axum::serve` just as well, but axum knows `ConnectInfo<SocketAddr>` of foreign
/// listeners only when they stand in a [`TapIo`]: take [`Connections::count_listener`], or end your own chain
/// in `.tap_io(..)`.
#[derive(Debug)]
pub struct CountedListener<L> {
    connections: Connections,
    inner: L,
}

impl Connections {
    /// Wraps a listener for `axum::serve`, so that `ConnectInfo` of the listener's address type keeps
    /// working.
    #[must_use]
    pub fn count_listener<L: Listener>(&self, listener: L) -> TappedListener<L> {
        CountedListener::new(self.clone(), listener).tap_io(|_io| {})
    }
}

impl<L> CountedListener<L> {
    /// Creates a listener that takes its connections from `inner`.
    #[must_use]
    pub fn new(connections: Connections, inner: L) -> Self {
        Self { connections, inner }
    }

    /// Returns the wrapped listener.
    #[must_use]
    pub fn get_ref(&self) -> &L {
        &self.inner
    }
}

impl<L: Listener> Listener for CountedListener<L> {
    type Io = CountedIo<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // First the place, then the connection: one that was accepted never waits in here.
        let slot = self.connections.ready().await;
        let (io, address) = self.inner.accept().await;
        (slot.wrap(io), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}
