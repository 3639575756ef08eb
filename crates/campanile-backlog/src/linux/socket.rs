//! A listening socket, known without being held.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType};

use super::{Namespace, UnixDiag, options, tcp};
use crate::error::{WatchError, WatchErrorKind};

/// A listening socket by the number of its descriptor and by its cookie.
///
/// There is no duplicate of the descriptor: as long as one is open the kernel goes on listening, and when the owner
/// closed his, clients would be welcomed into a queue that nobody accepts from. So only the number is kept, and with each
/// sample the cookie, which the kernel gives to one socket and never again, says whether the number still means it. It
/// is asked for last: what was read before came from the same socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: RawFd,
    cookie: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp,
    Unix { inode: u32 },
}

/// What was found out about a descriptor.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) socket: Socket,
    /// Its address as the label spells it.
    pub(crate) address: String,
    pub(crate) reading: Reading,
}

/// A queue at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) pending: u32,
    pub(crate) limit: u32,
    /// What was dropped since the socket was made, whatever for; nothing for unix sockets.
    pub(crate) drops: Option<u32>,
}

impl Socket {
    pub(crate) fn identify(
        listener: &impl AsFd,
        diag: &mut Option<UnixDiag>,
    ) -> Result<Identified, WatchError> {
        let fd = listener.as_fd();
        let cookie = options::cookie(fd.as_raw_fd()).map_err(WatchError::from_io)?;
        let system = |errno: rustix::io::Errno| WatchError::from_io(errno.into());
        let family = sockopt::socket_domain(fd).map_err(system)?;
        let kind = match (family, sockopt::socket_type(fd).map_err(system)?) {
            (AddressFamily::INET | AddressFamily::INET6, SocketType::STREAM) => Kind::Tcp,
            (AddressFamily::UNIX, SocketType::STREAM | SocketType::SEQPACKET) => Kind::Unix {
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
        let address = spell(&rustix::net::getsockname(fd).map_err(system)?);
        let socket = Self {
            fd: fd.as_raw_fd(),
            cookie,
            kind,
        };
        let reading = socket.read(diag).map_err(|error| socket.refusal(error))?;
        Ok(Identified {
            // It listened a line above: now somebody has closed it.
            reading: reading.ok_or(WatchErrorKind::Closed)?,
            socket,
            address,
        })
    }

    /// Reads the queue; nothing once the socket is closed or does not listen any more.
    pub(crate) fn read(&self, diag: &mut Option<UnixDiag>) -> io::Result<Option<Reading>> {
        let reading = match self.kind {
            Kind::Tcp => self.read_tcp(),
            Kind::Unix { inode } => self.read_unix(inode, diag).map(Some),
        };
        if options::cookie(self.fd).is_ok_and(|cookie| cookie == self.cookie) {
            reading
        } else {
            Ok(None)
        }
    }

    /// Tells whether a filter is attached, which drops on purpose.
    pub(crate) fn has_filter(&self) -> bool {
        // Without an answer the drops are taken for overflows, which is what they mostly are.
        options::has_filter(self.fd).unwrap_or(false)
    }

    /// Tells whether the socket belongs to the network namespace that is counted.
    pub(crate) fn is_of(&self, namespace: &Namespace) -> bool {
        // Before Linux 5.14 nobody tells; another namespace than one's own is the exception.
        let own = options::namespace_cookie(self.fd).ok().zip(namespace.cookie());
        own.is_none_or(|(theirs, counted)| theirs == counted)
    }

    pub(crate) fn counts_drops(&self) -> bool {
        matches!(self.kind, Kind::Tcp)
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.cookie == other.cookie
    }

    fn read_tcp(&self) -> io::Result<Option<Reading>> {
        let info = tcp::Info::of(self.fd)?;
        Ok(if info.is_listening() {
            Some(Reading {
                pending: info.pending(),
                limit: info.limit(),
                drops: Some(tcp::drops(self.fd)?),
            })
        } else {
            None
        })
    }

    fn read_unix(&self, inode: u32, diag: &mut Option<UnixDiag>) -> io::Result<Reading> {
        let asked = match diag {
            Some(asked) => asked,
            None => diag.insert(UnixDiag::new()?),
        };
        let queue = match asked.queue(inode, self.cookie) {
            Ok(queue) => queue.ok_or(io::ErrorKind::NotFound)?,
            Err(error) => {
                // Another one next time, in case that this one is no good any more.
                *diag = None;
                return Err(error);
            }
        };
        Ok(Reading {
            pending: queue.pending,
            limit: queue.limit,
            drops: None,
        })
    }

    /// Says why a socket that listens cannot be read.
    fn refusal(&self, error: io::Error) -> WatchError {
        match self.kind {
            Kind::Unix { .. } if error.kind() == io::ErrorKind::NotFound => WatchErrorKind::NotFound.into(),
            _ => WatchError::from_io(error),
        }
    }
}

fn inode(fd: BorrowedFd<'_>) -> rustix::io::Result<u32> {
    // The kernel gives sockets numbers of 32 bits, and `unix_diag` takes no others.
    rustix::fs::fstat(fd).map(|status| status.st_ino as u32)
}

/// Spells an address as campanile's other crates spell it in the label.
fn spell(address: &SocketAddrAny) -> String {
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
