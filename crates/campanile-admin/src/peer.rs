//! The client at the other end of a connection.

use std::net::{IpAddr, SocketAddr};

#[cfg(unix)]
use campanile_listen::PeerAddress;

/// The client at the other end of a connection, as the transport reports it.
///
/// The admin service looks for it among the extensions of a request. [`Admin::run_blocking`](crate::Admin::run_blocking) inserts
/// it; another server can insert it as well, or [`Admin::with_peer`](crate::Admin::with_peer) derives it from the extensions of
/// that server. Never derive it from `X-Forwarded-For` or similar headers, which clients control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A client at this address.
    Ip(IpAddr),
    /// A client of a unix socket. The mode of the socket's file controls who can connect.
    Unix,
}

impl Peer {
    /// Returns whether the client is on this machine.
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
