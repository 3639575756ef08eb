//! Notifies the service manager by the [`sd_notify`] protocol: datagrams of `NAME=value` lines to a unix socket.
//!
//! Not by the crate `sd-notify`, which does not support abstract sockets (`@name`), reads the environment at each message
//! and blocks while the manager's queue is full.
//!
//! [`sd_notify`]: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::watchdog::Watchdog;

/// How long to wait for room in the manager's queue.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// Sends the state of the service to systemd, or another manager that speaks its protocol.
///
/// [`Lifecycle::with_notifier`](crate::Lifecycle::with_notifier) sends `READY=1` when the service is ready,
/// `STOPPING=1` when the drain begins, and during the shutdown `EXTEND_TIMEOUT_USEC=` with the time it may still take, so
/// that `TimeoutStopSec=` does not cut it short. A message that could not be sent is repeated.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl Notifier {
    /// Opens a socket to the address in `NOTIFY_SOCKET`; `None` if that is not set, as outside of systemd.
    ///
    /// # Errors
    ///
    /// Those of [`Self::new`].
    pub fn from_env() -> io::Result<Option<Self>> {
        match env::var_os("NOTIFY_SOCKET") {
            Some(address) if !address.is_empty() => Self::new(&address).map(Some),
            _ => Ok(None),
        }
    }

    /// Opens a socket to an address: an absolute path or, on Linux, `@` and an abstract name.
    ///
    /// # Errors
    ///
    /// If the address is neither (`vsock:` is not supported), or a socket cannot be created.
    pub fn new(address: impl AsRef<OsStr>) -> io::Result<Self> {
        let manager = parse(address.as_ref())?;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self { socket, manager })
    }

    /// Sends a message of assignments, one per line, such as `STATUS=warming up`.
    ///
    /// Blocks for up to 100 ms if the manager's queue is full.
    ///
    /// # Errors
    ///
    /// If the message could not be sent.
    pub fn notify(&self, message: &str) -> io::Result<()> {
        // The socket is not connected, since the manager may replace its own.
        self.socket.send_to_addr(message.as_bytes(), &self.manager)?;
        Ok(())
    }

    /// Returns the future that pings the manager's watchdog; `None` unless the manager expects pings: `WATCHDOG_USEC` is
    /// set, and `WATCHDOG_PID` is this process or not set.
    ///
    /// # Errors
    ///
    /// If either variable is not a number, or the socket cannot be cloned.
    pub fn watchdog(&self) -> io::Result<Option<Watchdog>> {
        let Some(timeout) = Watchdog::timeout_from_env()? else {
            return Ok(None);
        };
        let notifier = Self {
            socket: self.socket.try_clone()?,
            manager: self.manager.clone(),
        };
        Ok(Some(Watchdog::new(notifier, timeout)))
    }
}

fn parse(address: &OsStr) -> io::Result<SocketAddr> {
    match address.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(address),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)
        }
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("unsupported notify socket address {address:?}: expected an absolute path or `@name`"),
        )),
    }
}
