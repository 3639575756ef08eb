//! The service manager is told by `sd_notify`'s protocol: a datagram of `NAME=value` lines to a unix socket.
//!
//! A few lines of our own: the crate `sd-notify` knows no abstract sockets (`@name`), reads the environment at each
//! message, and blocks for as long as the manager's queue is full.
//!
//! The protocol: <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>

mod notifier;
mod watchdog;

pub use self::notifier::Notifier;
pub use self::watchdog::Watchdog;
