//! TCP keepalive of accepted connections.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The probes without a response after which the kernel closes a connection.
const PROBES: u32 = 4;

/// The least interval, which the kernel counts in seconds.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Probes a peer after `idle` without a packet, then four times within as long again. A peer that has vanished is noticed
/// after twice `idle`.
pub(crate) fn set_keepalive(stream: &TcpStream, idle: Duration) {
    let idle = idle.max(MIN_INTERVAL);
    let keepalive = TcpKeepalive::new().with_time(idle);
    #[cfg(any(
        target_os = "android",
        target_os = "freebsd",
        target_os = "illumos",
        target_os = "ios",
        target_os = "linux",
        target_os = "macos",
        target_os = "netbsd"
    ))]
    let keepalive = keepalive
        .with_interval((idle / PROBES).max(MIN_INTERVAL))
        .with_retries(PROBES);
    // Fails only if the client has disconnected, which the first read reports.
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}
