//! The socket that the service manager listens to.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::notify::Watchdog;

/// How long a message may wait for room in the manager's queue; the next one tries again.
const PATIENCE: Duration = Duration::from_millis(100);

/// A way to tell systemd, or who speaks its protocol, how the service is.
///
/// [`Lifecycle::with_notifier`](crate::Lifecycle::with_notifier) sends `READY=1` when the service is ready,
/// `STOPPING=1` when the drain begins, and while it lasts `EXTEND_TIMEOUT_USEC=` with the time that the stop may still
/// take, so that `TimeoutStopSec=` does not cut it short. A message that could not be sent is sent again.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl Notifier {
    /// Opens the socket that `NOTIFY_SOCKET` names; nothing if there is none, as outside of systemd.
    ///
    /// # Errors
    ///
    /// What [`Self::new`] refuses.
    pub fn from_environment() -> io::Result<Option<Self>> {
        match env::var_os("NOTIFY_SOCKET") {
            Some(address) if !address.is_empty() => Self::new(&address).map(Some),
            _ => Ok(None),
        }
    }

    /// Opens a socket to this address: an absolute path, or under Linux `@` and an abstract name.
    ///
    /// # Errors
    ///
    /// If the address is neither (`vsock:` is not supported), or the system has no socket left.
    pub fn new(address: impl AsRef<OsStr>) -> io::Result<Self> {
        let manager = parse(address.as_ref())?;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, manager })
    }

    /// Sends one message: assignments, a line each, such as `STATUS=warming up`.
    ///
    /// It blocks for up to 100 ms if the manager's queue is full.
    ///
    /// # Errors
    ///
    /// If the message could not be sent whole.
    pub fn notify(&self, message: &str) -> io::Result<()> {
        // Not connected once and for all: the manager may have replaced its socket.
        self.socket.send_to_addr(message.as_bytes(), &self.manager)?;
        Ok(())
    }

    /// Makes the future that keeps the manager's watchdog quiet, if the manager asks for it: `WATCHDOG_USEC` is set,
    /// and `WATCHDOG_PID` is this process or missing.
    ///
    /// # Errors
    ///
    /// If either cannot be read, or there is no socket left.
    pub fn watchdog(&self) -> io::Result<Option<Watchdog>> {
        let Some(timeout) = Watchdog::asked_for()? else {
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
            format!("the service manager's address {address:?} is neither a path nor an abstract name"),
        )),
    }
}
