//! Systems that have neither the filter nor the table of sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use crate::ListenAddress;

pub(crate) fn drop_new_clients(_listener: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Says no: since new clients come all the time, waiting for those who shake hands would save nobody.
pub(crate) fn half_open(_address: SocketAddr) -> io::Result<bool> {
    Ok(false)
}

pub(crate) fn backlog_limit(_listener: BorrowedFd<'_>, _address: &ListenAddress) -> Option<u32> {
    None
}
