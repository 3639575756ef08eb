#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(unix)]
mod acceptor;
#[cfg(unix)]
mod address;
#[cfg(feature = "axum")]
mod axum;
#[cfg(unix)]
mod bind;
#[cfg(unix)]
mod closing;
mod connections;
mod control;
#[cfg(unix)]
mod drain;
mod errno;
mod incoming;
mod io;
#[cfg(unix)]
mod kernel;
mod label;
#[cfg(unix)]
mod listener;
mod metrics;
mod names;
#[cfg(unix)]
mod shortage;
#[cfg(unix)]
mod socket;
#[cfg(feature = "tonic")]
mod tonic;
mod upgrade;

#[cfg(unix)]
pub use self::address::{ListenAddress, ParseAddressError, PeerAddress};
#[cfg(feature = "axum")]
pub use self::axum::{CountedListener, TappedListener};
#[cfg(all(feature = "axum", unix))]
pub use self::axum::{DrainingListener, TappedDraining};
#[cfg(unix)]
pub use self::bind::{Bind, BindError};
#[cfg(unix)]
pub use self::closing::Closing;
pub use self::connections::{Connections, Slot};
pub use self::control::{CloseReason, ConnectionControl};
#[cfg(unix)]
pub use self::drain::{Drained, Draining, DrainingIncoming};
pub use self::incoming::CountedIncoming;
pub use self::io::CountedIo;
pub use self::label::ListenerLabel;
#[cfg(unix)]
pub use self::listener::{Accepted, Listener, Sharing};
#[cfg(unix)]
pub use self::socket::Socket;
