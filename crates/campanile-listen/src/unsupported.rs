//! Stand-ins on systems without the packet filter and sock_diag(7).

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use crate::ListenAddress;

pub(crate) fn drop_syns(_listener: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns false: without the filter new clients arrive all the time, and waiting for handshakes saves none of them.
pub(crate) fn has_half_open(_address: SocketAddr) -> io::Result<bool> {
    Ok(false)
}

pub(crate) fn backlog_limit(_listener: BorrowedFd<'_>, _address: &ListenAddress) -> Option<u32> {
    None
}
