//! Sockets, bound when a recorder or a flusher is opened.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    path::Path,
    time::Duration,
};

use cadence::{MetricSink, UdpMetricSink};

use super::{Dsn, OpenError, dsn::Address};

/// How long a datagram waits for room in the socket's buffer, or in the receiver's.
const PATIENCE: Duration = Duration::from_millis(100);

/// Opens the socket. A host's name is resolved here, once.
///
/// Of cadence these are the sinks without buffers, one datagram for each call. The buffered ones keep a datagram that
/// could not be sent for ever, know no deadline and send what is longer than the buffer; the queuing one starts threads.
pub(super) fn open(dsn: &Dsn) -> Result<Box<dyn MetricSink + Send>, OpenError> {
    let opened = match &dsn.address {
        Address::Udp { host, port, only_v6 } => open_udp(host, *port, *only_v6),
        Address::Unix(path) => open_unix(path),
    };
    opened.map_err(|source| OpenError {
        target: dsn.to_string(),
        source,
    })
}

fn open_udp(host: &str, port: u16, only_v6: bool) -> io::Result<Box<dyn MetricSink + Send>> {
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()?
        .filter(|address| address.is_ipv6() || !only_v6)
        .collect();
    // Daemons listen at IPv4 by default, and UDP does not tell that nobody listens at the other.
    let first = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| addresses.first());
    let Some(&address) = first else {
        let kind = if only_v6 { "no IPv6 address" } else { "no address" };
        return Err(io::Error::new(io::ErrorKind::NotFound, kind));
    };
    let local: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // Only a connected socket is told that nobody listens. The sink names the address again in each call, which others
    // than Linux refuse on a connected socket.
    #[cfg(target_os = "linux")]
    socket.connect(address)?;
    let sink = UdpMetricSink::from(address, socket).map_err(io::Error::other)?;
    Ok(Box::new(sink))
}

#[cfg(unix)]
fn open_unix(path: &Path) -> io::Result<Box<dyn MetricSink + Send>> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // Not connected: the path is looked up for each datagram, so the daemon may come later, and anew.
    Ok(Box::new(cadence::UnixMetricSink::from(path, socket)))
}

#[cfg(not(unix))]
fn open_unix(_: &Path) -> io::Result<Box<dyn MetricSink + Send>> {
    Err(io::ErrorKind::Unsupported.into())
}
