//! Sends lines in datagrams.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};

use cadence::{MetricSink, UdpMetricSink};

use super::{
    Dsn, Stop,
    dsn::DaemonAddress,
    stats::{AtomicStats, add},
};

/// How long a datagram may wait for space in the buffer of the socket or the receiver.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);

/// An error of opening the socket to a daemon, usually because its host has no address.
#[derive(Debug)]
pub struct OpenError {
    target: String,
    source: io::Error,
}

impl OpenError {
    pub(super) fn new(dsn: &Dsn, source: io::Error) -> Self {
        Self {
            target: dsn.to_string(),
            source,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot send statsd lines to {}", self.target)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Splits lines into datagrams and sends them.
///
/// Of cadence it uses the unbuffered sinks, with one datagram per call. The buffered ones keep a datagram that could not
/// be sent indefinitely, have no deadline, and send lines longer than the buffer; the queuing one starts threads.
pub(super) struct Datagrams {
    sink: Box<dyn MetricSink + Send>,
    /// Bytes per datagram at most.
    size: usize,
    stats: Arc<AtomicStats>,
}

impl Datagrams {
    /// Opens the socket, resolving the host name.
    pub(super) fn open(dsn: &Dsn, stats: Arc<AtomicStats>) -> Result<Self, OpenError> {
        let sink = match &dsn.address {
            DaemonAddress::Udp { host, port, only_v6 } => open_udp(host, *port, *only_v6),
            DaemonAddress::Unix(path) => open_unix(path),
        };
        Ok(Self {
            sink: sink.map_err(|source| OpenError::new(dsn, source))?,
            size: dsn.max_size(),
            stats,
        })
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Sends lines, each of which fits and ends with a line feed, and returns the number of bytes consumed, whether sent
    /// or not: all of them with `flush`, otherwise those that fill datagrams.
    ///
    /// After `stop` it gives up at the first datagram for which there is no space, so that a receiver that does not read
    /// cannot delay the end.
    pub(super) fn send(&self, lines: &str, flush: bool, stop: &Stop) -> usize {
        let mut done = 0;
        let mut give_up = false;
        while done < lines.len() {
            let left = &lines[done..];
            let datagram = match split(left, self.size) {
                Some(end) => &left[..end],
                None if flush => &left[..left.len() - 1],
                None => break,
            };
            done += datagram.len() + 1;
            if give_up {
                add(&self.stats.lines_failed, count(datagram));
            } else if let Err(error) = self.send_one(datagram) {
                give_up = is_full(&error) && stop.is_stopped();
            }
        }
        done
    }

    fn send_one(&self, datagram: &str) -> io::Result<()> {
        let mut sent = self.emit(datagram);
        // A refusal reports an earlier datagram, and this one was not sent at all.
        if matches!(&sent, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused) {
            sent = self.emit(datagram);
        }
        let lines = count(datagram);
        match sent {
            Ok(_) => {
                add(&self.stats.lines_sent, lines);
                add(&self.stats.datagrams_sent, 1);
                Ok(())
            }
            Err(error) => {
                add(&self.stats.lines_failed, lines);
                Err(error)
            }
        }
    }

    fn emit(&self, datagram: &str) -> io::Result<usize> {
        self.sink
            .emit(datagram)
            .inspect_err(|_| add(&self.stats.send_errors, 1))
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

fn open_udp(host: &str, port: u16, only_v6: bool) -> io::Result<Box<dyn MetricSink + Send>> {
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()?
        .filter(|address| address.is_ipv6() || !only_v6)
        .collect();
    // Daemons listen on IPv4 by default, and UDP does not report a missing listener on the other address.
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
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    // Only a connected socket reports a missing listener. The sink passes the address to each call, which only Linux
    // allows on a connected socket.
    #[cfg(target_os = "linux")]
    socket.connect(address)?;
    let sink = UdpMetricSink::from(address, socket).map_err(io::Error::other)?;
    Ok(Box::new(sink))
}

#[cfg(unix)]
fn open_unix(path: &Path) -> io::Result<Box<dyn MetricSink + Send>> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    // Not connected: the path is looked up per datagram, so the daemon may start later, or restart.
    Ok(Box::new(cadence::UnixMetricSink::from(path, socket)))
}

#[cfg(not(unix))]
fn open_unix(_: &Path) -> io::Result<Box<dyn MetricSink + Send>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns the end of the first datagram if there are more lines than fit into one.
fn split(lines: &str, size: usize) -> Option<usize> {
    if lines.len() <= size + 1 {
        return None;
    }
    let end = lines[..=size].rfind('\n')?;
    // A negative gauge stays in one datagram with the zero before it, since datagrams may be reordered.
    let next = lines[end + 1..].split('\n').next().unwrap_or_default();
    if is_negative(next)
        && let Some(earlier) = lines[..end].rfind('\n')
    {
        return Some(earlier);
    }
    Some(end)
}

fn is_negative(line: &str) -> bool {
    // Names contain no colon, and tags come after the value or in the name.
    line.split_once(':')
        .is_some_and(|(_, value)| value.starts_with('-'))
}

fn count(datagram: &str) -> u64 {
    1 + datagram.bytes().map(|byte| u64::from(byte == b'\n')).sum::<u64>()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_split_between_lines_and_not_before_a_negative_value() {
        assert_eq!(split("a:1|c\n", 5), None);
        assert_eq!(split("a:1|c\nb:1|c\n", 11), None);
        assert_eq!(split("a:1|c\nb:1|c\n", 10), Some(5));
        assert_eq!(split("a:1|c\nb:1|c\n", 5), Some(5));
        assert_eq!(split("a:1|c\nb:1|c\nc:1|c\n", 16), Some(11));
        assert_eq!(split("a:1|c\nb:0|g\nb:-1|g\n", 12), Some(5));
        assert_eq!(split("b:0|g\nb:-1|g\n", 6), Some(5));
    }
}
