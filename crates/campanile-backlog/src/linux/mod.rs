//! What Linux tells of a listener's queue.

mod counts;
mod diag;
mod options;
mod socket;
mod tcp;

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

pub(crate) use self::counts::{ListenCounts, Namespace};
pub(crate) use self::diag::UnixDiag;
pub(crate) use self::socket::{Identified, Reading, Socket};

/// There is something to be known here.
pub(crate) const IS_KNOWN: bool = true;

/// Returns how long an accepted connection waited; an error where the kernel does not tell.
pub(crate) fn waited(connection: &impl AsFd) -> std::io::Result<Duration> {
    tcp::Info::of(connection.as_fd().as_raw_fd()).map(|info| info.waited())
}

/// Returns `net.core.somaxconn` of this thread's network namespace, which every limit is cut to.
pub(crate) fn somaxconn() -> Option<u32> {
    // Only ever read when a listener begins to be watched. It is the namespace of the thread that is shown here.
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    text.trim().parse().ok()
}
