//! A listening socket, identified without keeping it open.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType};

use super::{Netstat, QueueReading, UnixDiag, socket_options, tcp_info};
use crate::error::{WatchError, WatchErrorKind};

/// A listening socket, identified by the number of its descriptor and its cookie.
///
/// A duplicate of the descriptor would keep the socket listening after its owner closed it, with a queue that is never
/// accepted from. So only the number is kept, and each reading checks that it still refers to the socket with this cookie,
/// which the kernel never reuses. The cookie is read last: all earlier reads then came from the same socket.
#[derive(Debug)]
pub(crate) struct ListeningSocket {
    fd: RawFd,
    cookie: u64,
    kind: SocketKind,
}

#[derive(Debug)]
enum SocketKind {
    Tcp,
    Unix { inode: u32 },
}

/// A descriptor that was found to be a listening socket.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) socket: ListeningSocket,
    /// The local address as a label.
    pub(crate) address: String,
    pub(crate) reading: QueueReading,
}

impl ListeningSocket {
    pub(crate) fn identify(
        listener: &impl AsFd,
        diag: &mut Option<UnixDiag>,
    ) -> Result<Identified, WatchError> {
        let fd = listener.as_fd();
        let cookie = socket_options::cookie(fd.as_raw_fd()).map_err(WatchError::from_io)?;
        let system = |errno: rustix::io::Errno| WatchError::from_io(errno.into());
        let family = sockopt::socket_domain(fd).map_err(system)?;
        let kind = match (family, sockopt::socket_type(fd).map_err(system)?) {
            (AddressFamily::INET | AddressFamily::INET6, SocketType::STREAM) => SocketKind::Tcp,
            (AddressFamily::UNIX, SocketType::STREAM | SocketType::SEQPACKET) => SocketKind::Unix {
                inode: inode(fd).map_err(system)?,
            },
            (AddressFamily::INET | AddressFamily::INET6 | AddressFamily::UNIX, SocketType::DGRAM) => {
                return Err(WatchErrorKind::NotAStream.into());
            }
            _ => return Err(WatchErrorKind::Unsupported.into()),
        };
        if !sockopt::socket_acceptconn(fd).map_err(system)? {
            let is_connected = rustix::net::getpeername(fd).is_ok_and(|peer| peer.is_some());
            return Err(if is_connected {
                WatchErrorKind::Connected.into()
            } else {
                WatchErrorKind::NotListening.into()
            });
        }
        let address = label(&rustix::net::getsockname(fd).map_err(system)?);
        let socket = Self {
            fd: fd.as_raw_fd(),
            cookie,
            kind,
        };
        let reading = socket.read(diag).map_err(|error| match socket.kind {
            SocketKind::Unix { .. } if error.kind() == io::ErrorKind::NotFound => {
                WatchErrorKind::NotFound.into()
            }
            _ => WatchError::from_io(error),
        })?;
        Ok(Identified {
            // `None` if it was closed since the check above.
            reading: reading.ok_or(WatchErrorKind::Closed)?,
            socket,
            address,
        })
    }

    /// Reads the queue; `None` once the socket is closed or no longer listening.
    pub(crate) fn read(&self, diag: &mut Option<UnixDiag>) -> io::Result<Option<QueueReading>> {
        let reading = match self.kind {
            SocketKind::Tcp => tcp_info::read_queue(self.fd),
            SocketKind::Unix { inode } => self.read_unix(inode, diag).map(Some),
        };
        if socket_options::cookie(self.fd).is_ok_and(|cookie| cookie == self.cookie) {
            reading
        } else {
            Ok(None)
        }
    }

    /// Returns whether a filter is attached, whose drops are not overflows.
    pub(crate) fn has_filter(&self) -> bool {
        // On an error, drops count as overflows, which most of them are.
        socket_options::has_filter(self.fd).unwrap_or(false)
    }

    /// Returns whether the socket belongs to the network namespace of these counters.
    pub(crate) fn is_in_namespace(&self, netstat: &Netstat) -> bool {
        // Before Linux 5.14 there is no namespace cookie; a foreign namespace is the exception.
        let cookies = socket_options::namespace_cookie(self.fd)
            .ok()
            .zip(netstat.cookie());
        cookies.is_none_or(|(socket, netstat)| socket == netstat)
    }

    pub(crate) fn counts_drops(&self) -> bool {
        matches!(self.kind, SocketKind::Tcp)
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.cookie == other.cookie
    }

    fn read_unix(&self, inode: u32, diag: &mut Option<UnixDiag>) -> io::Result<QueueReading> {
        let open = match diag {
            Some(open) => open,
            None => diag.insert(UnixDiag::new()?),
        };
        let reading = open.read_queue(inode, self.cookie);
        if reading.is_err() {
            // Reopened next time, in case that the netlink socket is broken.
            *diag = None;
        }
        Ok(reading?.ok_or(io::ErrorKind::NotFound)?)
    }
}

fn inode(fd: BorrowedFd<'_>) -> rustix::io::Result<u32> {
    // Sockets have 32-bit inodes, and `unix_diag` accepts no others.
    rustix::fs::fstat(fd).map(|status| status.st_ino as u32)
}

/// Formats an address as the label `listener` of all crates.
fn label(address: &SocketAddrAny) -> String {
    if let Ok(address) = std::net::SocketAddr::try_from(address.clone()) {
        return address.to_string();
    }
    let Ok(address) = SocketAddrUnix::try_from(address.clone()) else {
        return "unknown".to_owned();
    };
    let lossy = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    if let Some(path) = address.path() {
        return format!("unix:{}", lossy(path.to_bytes()));
    }
    match address.abstract_name() {
        Some(name) => format!("unix:@{}", lossy(name)),
        None => "unix:".to_owned(),
    }
}
