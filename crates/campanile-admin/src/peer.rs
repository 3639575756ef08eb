//! Who is on the other side of a connection.

use std::net::{IpAddr, SocketAddr};

#[cfg(unix)]
use campanile_listen::PeerAddress;

/// Who is on the other side of a connection, as the connection itself says it.
///
/// The admin service looks for it in the extensions of a request, where [`Admin::run_blocking`](crate::Admin::run_blocking)
/// puts it. A server of your own puts it there too, or [`Admin::with_peer`](crate::Admin::with_peer) finds it in what that
/// server leaves. Never make it from `X-Forwarded-For` or its like: whoever sends a request writes what it likes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// It comes from this address.
    Ip(IpAddr),
    /// It comes by a unix socket, whose file says who may.
    Unix,
}

impl Peer {
    /// Tells whether it is on this machine.
    #[must_use]
    pub const fn is_local(self) -> bool {
        match self {
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
            Self::Unix => true,
        }
    }
}

impl From<IpAddr> for Peer {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip.to_canonical())
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::from(address.ip())
    }
}

#[cfg(unix)]
impl From<&PeerAddress> for Peer {
    fn from(address: &PeerAddress) -> Self {
        address.ip().map_or(Self::Unix, Self::from)
    }
}
