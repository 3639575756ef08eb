//! Listeners for `axum::serve`: counted ones, and ones that drain.

use std::io;

#[cfg(unix)]
use std::net::SocketAddr;

use axum::serve::{Listener, ListenerExt, TapIo};

#[cfg(unix)]
use crate::{AcceptedStream, DrainingListener, PeerAddress};
use crate::{Connections, CountedIo};

/// A listener in axum's [`TapIo`], for which axum implements `ConnectInfo<SocketAddr>`.
pub type TappedListener<L> = TapIo<L, fn(&mut <L as Listener>::Io)>;

fn tapped<L: Listener>(listener: L) -> TappedListener<L> {
    listener.tap_io(|_io| {})
}

/// A listener that counts its connections, and accepts only while one more may be open.
///
/// `axum::serve` accepts it as it is, but axum implements `ConnectInfo<SocketAddr>` for foreign listeners only inside a
/// [`TapIo`]: use [`Connections::count_listener`], or end your own chain with `.tap_io(..)`.
#[derive(Debug)]
pub struct CountedListener<L> {
    connections: Connections,
    inner: L,
}

/// A [`DrainingListener`] for axum, whose addresses have type `A`.
#[cfg(unix)]
#[derive(Debug)]
pub struct AxumListener<A> {
    inner: DrainingListener,
    local: A,
    address: fn(PeerAddress) -> Option<A>,
}

impl Connections {
    /// Wraps a listener for `axum::serve`. `ConnectInfo` with the listener's address type keeps working.
    #[must_use]
    pub fn count_listener<L: Listener>(&self, listener: L) -> TappedListener<CountedListener<L>> {
        tapped(CountedListener::new(self.clone(), listener))
    }
}

impl<L> CountedListener<L> {
    /// Creates a listener that accepts from `inner`.
    #[must_use]
    pub fn new(connections: Connections, inner: L) -> Self {
        Self { connections, inner }
    }

    /// Returns a reference to the wrapped listener.
    #[must_use]
    pub fn get_ref(&self) -> &L {
        &self.inner
    }
}

impl<L: Listener> Listener for CountedListener<L> {
    type Io = CountedIo<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The permit first, so that an accepted connection never waits here.
        let permit = self.connections.ready().await;
        let (io, address) = self.inner.accept().await;
        (permit.wrap(io), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

#[cfg(unix)]
impl DrainingListener {
    /// Converts a TCP listener for `axum::serve`, with `ConnectInfo<SocketAddr>`.
    ///
    /// # Errors
    ///
    /// Returns `Unsupported` for a unix socket, which has no IP addresses.
    pub fn into_axum(self) -> io::Result<TappedListener<AxumListener<SocketAddr>>> {
        let local = self
            .local_address()
            .tcp()
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "a unix socket has no IP address"))?;
        Ok(tapped(AxumListener {
            inner: self,
            local,
            address: |peer| peer.tcp(),
        }))
    }

    /// Converts any listener for `axum::serve`, with `ConnectInfo<PeerAddress>`.
    #[must_use]
    pub fn into_axum_any(self) -> TappedListener<AxumListener<PeerAddress>> {
        let local = PeerAddress::from(self.local_address().clone());
        tapped(AxumListener {
            inner: self,
            local,
            address: Some,
        })
    }
}

#[cfg(unix)]
impl<A: Clone + Send + 'static> Listener for AxumListener<A> {
    type Io = CountedIo<AcceptedStream>;
    type Addr = A;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let accepted = self.inner.accept_or_pend().await;
            // Always `Some`: all clients of a listener have its address family.
            if let Some(address) = (self.address)(accepted.peer) {
                return (accepted.io, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.local.clone())
    }
}
