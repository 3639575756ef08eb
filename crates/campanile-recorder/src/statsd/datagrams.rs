//! Sends lines in datagrams.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cadence::{MetricSink, UdpMetricSink};

use super::{
    Dsn, Stop,
    dsn::DaemonAddress,
    host_lookup::{HostLookup, Resolver},
    stats::{AtomicStats, add},
};

/// How long a datagram may wait for space in the buffer of the socket or the receiver.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);

/// How long the end waits for the address of the host.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);

/// An error of opening the socket to a daemon.
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
    /// `None` until the host has an address.
    sink: Option<Box<dyn MetricSink + Send>>,
    /// `None` for unix sockets.
    lookup: Option<HostLookup>,
    /// Bytes per datagram at most.
    size: usize,
    stats: Arc<AtomicStats>,
}

impl Datagrams {
    /// Opens the socket, unless the address has to be looked up first.
    pub(super) fn open(dsn: &Dsn, resolver: Resolver, stats: Arc<AtomicStats>) -> Result<Self, OpenError> {
        let mut datagrams = Self {
            sink: None,
            lookup: None,
            size: dsn.max_size(),
            stats: Arc::clone(&stats),
        };
        let opened = match &dsn.address {
            DaemonAddress::Udp { host, port, only_v6 } => {
                let lookup = datagrams
                    .lookup
                    .insert(HostLookup::new(host, *port, *only_v6, resolver, stats));
                lookup
                    .literal()
                    .and_then(|address| address.map(open_udp).transpose())
            }
            DaemonAddress::Unix(path) => open_unix(path).map(Some),
        };
        datagrams.sink = opened.map_err(|source| OpenError::new(dsn, source))?;
        Ok(datagrams)
    }

    /// Looks up the host if that is due, without waiting, and opens a socket when its address has changed. Returns
    /// whether there is a socket; once there is one, there always is.
    ///
    /// When a lookup ends, the calling thread is unparked.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        if let Some(lookup) = &mut self.lookup
            && let Some(address) = lookup.poll(now)
        {
            match open_udp(address) {
                Ok(sink) => self.sink = Some(sink),
                Err(_) => {
                    add(&self.stats.send_errors, 1);
                    lookup.fail(now);
                }
            }
        }
        self.sink.is_some()
    }

    /// As [`Self::poll`], but waits for a lookup for half a second, if there is no socket.
    pub(super) fn poll_blocking(&mut self) -> bool {
        let begin = Instant::now();
        loop {
            let now = Instant::now();
            if self.poll(now) {
                return true;
            }
            let left = LOOKUP_TIMEOUT.saturating_sub(now.duration_since(begin));
            if left.is_zero() || !self.lookup.as_ref().is_some_and(HostLookup::is_running) {
                return false;
            }
            thread::park_timeout(left);
        }
    }

    /// Returns when [`Self::poll`] has something to do, unless a lookup is running.
    pub(super) fn next_poll(&self) -> Option<Instant> {
        self.lookup.as_ref().and_then(HostLookup::next)
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Sends lines, each of which fits and ends with a line feed, and returns the number of bytes consumed, whether sent
    /// or not: all of them with `flush`, otherwise those that fill datagrams.
    ///
    /// After `stop` it gives up at the first datagram for which there is no space, so that a receiver that does not read
    /// cannot delay the end.
    pub(super) fn send(&mut self, lines: &str, flush: bool, stop: &Stop) -> usize {
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

    fn send_one(&mut self, datagram: &str) -> io::Result<()> {
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

    fn emit(&mut self, datagram: &str) -> io::Result<usize> {
        // The end is reached without an address.
        let sink = self.sink.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let sent = sink.emit(datagram);
        if let Err(error) = &sent {
            add(&self.stats.send_errors, 1);
            if let Some(lookup) = &mut self.lookup
                && !is_full(error)
            {
                lookup.fail(Instant::now());
            }
        }
        sent
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

fn open_udp(address: SocketAddr) -> io::Result<Box<dyn MetricSink + Send>> {
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
