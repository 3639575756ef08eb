//! Binding a listener.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use campanile_metrics::RecorderHandle;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::kernel::backlog_limit;
use crate::socket_file::{SocketFile, bind_unix};
use crate::{Connections, ListenAddress, Listener, ListenerLabel, ParseAddressError, Sharing};

const DEFAULT_BACKLOG: u32 = 1024;

/// The address and the options of a listener to bind.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use campanile_listen::Bind;
///
/// let listener = Bind::new("127.0.0.1:0").with_backlog(4096).with_connection_limit(10_000).bind()?;
/// println!("listening on {}", listener.local_address());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is bound before `bind`"]
pub struct Bind {
    address: Result<ListenAddress, ParseAddressError>,
    backlog: u32,
    reuse_port: bool,
    only_v6: Option<bool>,
    mode: Option<u32>,
    nodelay: bool,
    keepalive: Option<Option<Duration>>,
    label: Option<ListenerLabel>,
    limit: Option<usize>,
    recorder: RecorderHandle,
}

/// A listener that could not be bound.
#[derive(Debug)]
pub struct BindError(BindErrorKind);

#[derive(Debug)]
enum BindErrorKind {
    Address(ParseAddressError),
    Io {
        address: ListenAddress,
        source: io::Error,
    },
}

impl Bind {
    /// Creates the default options: a backlog of 1024 and no connection limit.
    ///
    /// The address is text, a [`SocketAddr`], a path or a [`ListenAddress`]. Text that cannot be parsed is an error of
    /// [`bind`](Self::bind).
    pub fn new(address: impl TryInto<ListenAddress, Error: Into<ParseAddressError>>) -> Self {
        Self {
            address: address.try_into().map_err(Into::into),
            backlog: DEFAULT_BACKLOG,
            reuse_port: false,
            only_v6: None,
            mode: None,
            nodelay: true,
            keepalive: None,
            label: None,
            limit: None,
            recorder: RecorderHandle::global(),
        }
    }

    /// Sets how many connections the accept queue holds. The kernel caps it at `net.core.somaxconn` (4096 by default on
    /// Linux), which is logged.
    pub fn with_backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Sets `SO_REUSEPORT`: more sockets of the same user can bind this address, each with an accept queue of its own
    /// among which the kernel distributes the clients. Give each of them its own [label](Self::with_label).
    pub fn with_reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Sets whether an IPv6 socket refuses IPv4 clients. By default the system decides; on Linux `[::]` accepts both.
    pub fn with_only_v6(mut self, only_v6: bool) -> Self {
        self.only_v6 = Some(only_v6);
        self
    }

    /// Sets the permissions of a unix socket's file, such as `0o660`. Clients need write permission to connect. The mode
    /// is set before the first client can connect.
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets `TCP_NODELAY` on accepted TCP connections, on by default.
    pub fn with_nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Sets after how long without a packet the kernel probes whether a TCP client is still there. See
    /// [`Listener::with_keepalive`].
    pub fn with_keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.keepalive = Some(idle.into());
        self
    }

    /// Sets the label of the listener's metrics, by default the address.
    pub fn with_label(mut self, label: impl Into<ListenerLabel>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Limits the number of open connections. At the limit accepting pauses. A limit of 0 is an error of
    /// [`bind`](Self::bind).
    pub fn with_connection_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Records to `recorder` instead of the global one.
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.recorder = recorder.into();
        self
    }

    /// Binds the socket and starts to listen.
    ///
    /// A stale unix socket, to which no process listens, is replaced. A live one is `AddrInUse` and any other file is
    /// `AlreadyExists`; neither is changed.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is invalid, in use or not local, if the process lacks the permission, if the
    /// system does not support an option, or if the connection limit is 0. The error names the address.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with I/O enabled.
    pub fn bind(self) -> Result<Listener, BindError> {
        let address = match &self.address {
            Ok(address) => address,
            Err(error) => return Err(BindError(BindErrorKind::Address(error.clone()))),
        };
        self.bind_address(address).map_err(|source| {
            BindError(BindErrorKind::Io {
                address: address.clone(),
                source,
            })
        })
    }

    fn bind_address(&self, address: &ListenAddress) -> io::Result<Listener> {
        if self.limit == Some(0) {
            let reason = "the connection limit must be above 0";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let backlog = i32::try_from(self.backlog).unwrap_or(i32::MAX);
        let (socket, file) = match address {
            ListenAddress::Tcp(address) => (self.bind_tcp(*address, backlog)?, None),
            ListenAddress::Unix(path) => {
                let (socket, file) = bind_unix(path, self.mode, backlog)?;
                (socket, Some(file))
            }
        };
        self.listener(socket, file)
    }

    fn bind_tcp(&self, address: SocketAddr, backlog: i32) -> io::Result<OwnedFd> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Otherwise connections of an earlier process in TIME_WAIT keep the port in use.
        socket.set_reuse_address(true)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let Some(only_v6) = self.only_v6
            && address.is_ipv6()
        {
            socket.set_only_v6(only_v6)?;
        }
        socket.bind(&SockAddr::from(address))?;
        socket.listen(backlog)?;
        Ok(socket.into())
    }

    fn listener(&self, socket: OwnedFd, file: Option<SocketFile>) -> io::Result<Listener> {
        let mut listener = Listener::build(socket, Sharing::Exclusive, file)?.with_nodelay(self.nodelay);
        if let Some(idle) = self.keepalive {
            listener = listener.with_keepalive(idle);
        }
        let label = self.label.clone().unwrap_or_else(|| listener.label().clone());
        let mut connections = Connections::new(label).with_recorder(self.recorder);
        if let Some(limit) = self.limit {
            connections = connections.with_limit(limit);
        }
        let mut listener = listener.with_connections(connections);
        listener.set_backlog(self.effective_backlog(&listener));
        Ok(listener)
    }

    /// Returns the backlog that the kernel granted, and warns if it is less than requested.
    fn effective_backlog(&self, listener: &Listener) -> u32 {
        match backlog_limit(listener.as_fd(), listener.local_address()) {
            Some(limit) if limit < self.backlog => {
                tracing::warn!(
                    listener = listener.label().as_str(),
                    requested = self.backlog,
                    limit,
                    "the backlog was capped by net.core.somaxconn"
                );
                limit
            }
            _ => self.backlog,
        }
    }
}

/// Converts an address to default options: a function with a parameter `impl Into<Bind>` accepts either.
impl<A: TryInto<ListenAddress, Error: Into<ParseAddressError>>> From<A> for Bind {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl BindError {
    /// Returns the address that could not be bound; `None` if its text could not be parsed.
    #[must_use]
    pub fn address(&self) -> Option<&ListenAddress> {
        match &self.0 {
            BindErrorKind::Address(_) => None,
            BindErrorKind::Io { address, .. } => Some(address),
        }
    }

    /// Returns the kind of the failure, such as `AddrInUse`; `InvalidInput` for an invalid address.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match &self.0 {
            BindErrorKind::Address(_) => io::ErrorKind::InvalidInput,
            BindErrorKind::Io { source, .. } => source.kind(),
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            BindErrorKind::Address(error) => error.fmt(f),
            BindErrorKind::Io { address, .. } => write!(f, "cannot listen on {address}"),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            BindErrorKind::Address(_) => None,
            BindErrorKind::Io { source, .. } => Some(source),
        }
    }
}
