//! Listeners for `axum::serve`: the counted one, and the one that drains.

use std::io;

#[cfg(unix)]
use std::net::SocketAddr;

use axum::serve::{Listener, ListenerExt, TapIo};

use crate::{Connections, CountedIo};
#[cfg(unix)]
use crate::{Draining, PeerAddress, Socket};

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

/// What [`Draining::into_axum`] returns: a [`DrainingListener`] in axum's own [`TapIo`].
#[cfg(unix)]
pub type TappedDraining<A> = TapIo<DrainingListener<A>, fn(&mut CountedIo<Socket>)>;

/// A [`Draining`] listener as axum knows listeners, with addresses of one kind.
#[cfg(unix)]
#[derive(Debug)]
pub struct DrainingListener<A> {
    draining: Draining,
    local: A,
    address: fn(PeerAddress) -> Option<A>,
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

#[cfg(unix)]
impl Draining {
    /// Turns a TCP listener into one for `axum::serve`, with which `ConnectInfo<SocketAddr>` works.
    ///
    /// # Errors
    ///
    /// Fails with `Unsupported` for a unix socket, which has no such addresses.
    pub fn into_axum(self) -> io::Result<TappedDraining<SocketAddr>> {
        let local = self
            .local_address()
            .tcp()
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "a unix socket has no IP address"))?;
        Ok(self.tapped(local, |peer| peer.tcp()))
    }

    /// Turns any listener into one for `axum::serve`, with which `ConnectInfo<PeerAddress>` works.
    #[must_use]
    pub fn into_axum_any(self) -> TappedDraining<PeerAddress> {
        let local = PeerAddress::from(self.local_address().clone());
        self.tapped(local, Some)
    }

    fn tapped<A: Clone + Send + 'static>(
        self,
        local: A,
        address: fn(PeerAddress) -> Option<A>,
    ) -> TappedDraining<A> {
        let listener = DrainingListener {
            draining: self,
            local,
            address,
        };
        listener.tap_io(|_io| {})
    }
}

#[cfg(unix)]
impl<A: Clone + Send + 'static> Listener for DrainingListener<A> {
    type Io = CountedIo<Socket>;
    type Addr = A;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let accepted = self.draining.accept_or_wait().await;
            // A listener has clients of one family only, so that nobody is dropped here.
            if let Some(address) = (self.address)(accepted.peer) {
                return (accepted.io, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.local.clone())
    }
}
