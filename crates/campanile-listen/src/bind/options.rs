//! The options of a listener that is to be bound.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use metrics::Recorder;
use socket2::{Domain, SockAddr, Type};

use super::path::{self, OwnPath};
use crate::kernel::backlog_limit;
use crate::{BindError, Connections, ListenAddress, Listener, ListenerLabel, Sharing};

const BACKLOG: u32 = 1024;

/// Options of a listener that is to be bound.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use campanile_listen::{Bind, ListenAddress};
///
/// let address: ListenAddress = "127.0.0.1:0".parse()?;
/// let listener = Bind::new(address).with_backlog(4096).with_connection_limit(10_000).bind()?;
/// println!("listening on {}", listener.local_address());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Bind {
    address: ListenAddress,
    backlog: u32,
    reuse_port: bool,
    only_v6: Option<bool>,
    mode: Option<u32>,
    nodelay: bool,
    label: Option<ListenerLabel>,
    limit: Option<usize>,
    recorder: Option<&'static (dyn Recorder + Sync)>,
}

impl Bind {
    /// Creates the options with their defaults: a backlog of 1024, and no limit of connections.
    #[must_use]
    pub fn new(address: impl Into<ListenAddress>) -> Self {
        Self {
            address: address.into(),
            backlog: BACKLOG,
            reuse_port: false,
            only_v6: None,
            mode: None,
            nodelay: true,
            label: None,
            limit: None,
            recorder: None,
        }
    }

    /// Sets how many clients may wait in the kernel's queue until they are accepted. The system's own limit
    /// (`net.core.somaxconn`, 4096 on Linux) cuts it, of which the log is told.
    #[must_use]
    pub fn with_backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Sets `SO_REUSEPORT`: further sockets of the same user may be bound to this address, each with a queue of its
    /// own, among which the kernel spreads the clients. Give each a label of its own.
    #[must_use]
    pub fn with_reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Says whether an IPv6 socket refuses IPv4 clients. Without it `[::]` takes both where the system is set up so,
    /// as Linux is.
    #[must_use]
    pub fn with_only_v6(mut self, only_v6: bool) -> Self {
        self.only_v6 = Some(only_v6);
        self
    }

    /// Sets the permissions of a unix socket's file, as in `0o660`: to connect takes the permission to write. They
    /// hold before the first client can connect.
    #[must_use]
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Says whether accepted TCP connections get `TCP_NODELAY`, which they do by default.
    #[must_use]
    pub fn with_nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Sets the label of its metrics, which is the address otherwise.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<ListenerLabel>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Limits the connections that are open at once. At the limit accepting pauses.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0, with which nothing would ever be accepted.
    #[must_use]
    pub fn with_connection_limit(mut self, limit: usize) -> Self {
        assert!(limit > 0, "the limit of open connections must be above 0");
        self.limit = Some(limit);
        self
    }

    /// Records to `recorder` instead of the global one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Binds the listener and listens.
    ///
    /// At the path of a unix socket, what a dead process has left behind is replaced: a socket to which nobody
    /// listens. One that somebody listens to is `AddrInUse`, and a file that is no socket is `AlreadyExists`; neither
    /// is touched.
    ///
    /// # Errors
    ///
    /// Fails if the address is in use or not of this machine, if the process may not, and if an option is not known
    /// to the system. The error names the address.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled.
    pub fn bind(self) -> Result<Listener, BindError> {
        let bound = match &self.address {
            ListenAddress::Tcp(address) => self.bind_tcp(*address).map(|socket| (socket, None)),
            ListenAddress::Unix(path) => {
                path::bind(path, self.mode, self.backlog()).map(|(socket, path)| (socket, Some(path)))
            }
        };
        let listener = bound.and_then(|(socket, path)| self.listen(socket, path));
        listener.map_err(|source| BindError::new(self.address, source))
    }

    fn bind_tcp(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Connections of an earlier process that still linger must not keep this one from its port.
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
        socket.listen(self.backlog())?;
        Ok(socket.into())
    }

    fn listen(&self, socket: OwnedFd, path: Option<OwnPath>) -> io::Result<Listener> {
        let listener = Listener::build(socket, Sharing::Own, path)?.with_nodelay(self.nodelay);
        let label = self.label.clone().unwrap_or_else(|| listener.label().clone());
        let mut connections = Connections::new(label);
        if let Some(limit) = self.limit {
            connections = connections.with_limit(limit);
        }
        if let Some(recorder) = self.recorder {
            connections = connections.with_recorder(recorder);
        }
        let mut listener = listener.with_connections(connections);
        listener.set_backlog(self.granted(&listener));
        Ok(listener)
    }

    fn backlog(&self) -> i32 {
        i32::try_from(self.backlog).unwrap_or(i32::MAX)
    }

    /// Returns what the system has made of the backlog, and warns if that is less.
    fn granted(&self, listener: &Listener) -> u32 {
        match backlog_limit(listener.as_fd(), listener.local_address()) {
            Some(limit) if limit < self.backlog => {
                tracing::warn!(
                    listener = listener.label().as_str(),
                    wanted = self.backlog,
                    limit,
                    "the system cuts the backlog: net.core.somaxconn is lower"
                );
                limit
            }
            _ => self.backlog,
        }
    }
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind")
            .field("address", &self.address)
            .field("backlog", &self.backlog)
            .field("reuse_port", &self.reuse_port)
            .field("only_v6", &self.only_v6)
            .field("mode", &self.mode)
            .field("label", &self.label)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
