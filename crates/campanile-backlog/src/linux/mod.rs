//! Reads accept queues from the Linux kernel.

mod netstat;
mod socket;
mod socket_options;
mod tcp_info;
mod unix_diag;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

pub(crate) use self::netstat::{ListenCounts, Netstat};
pub(crate) use self::socket::{Identified, ListeningSocket};
pub(crate) use self::unix_diag::UnixDiag;

pub(crate) const IS_SUPPORTED: bool = true;

/// One reading of an accept queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueReading {
    pub(crate) pending: u32,
    pub(crate) limit: u32,
    /// Packets dropped since the socket was created, for any reason; `None` for unix sockets.
    pub(crate) drops: Option<u32>,
}

/// Returns how long an accepted connection waited; an error where the kernel does not report it.
pub(crate) fn waited(connection: &impl AsFd) -> io::Result<Duration> {
    tcp_info::TcpInfo::read(connection.as_fd().as_raw_fd()).map(|info| info.waited())
}

/// Returns `net.core.somaxconn` of this thread's network namespace, which caps every limit.
pub(crate) fn somaxconn() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    text.trim().parse().ok()
}
