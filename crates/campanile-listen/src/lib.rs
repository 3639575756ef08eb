#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(unix)]
mod accept_backoff;
#[cfg(unix)]
mod acceptor;
#[cfg(unix)]
mod address;
#[cfg(feature = "axum")]
mod axum;
#[cfg(unix)]
mod bind;
mod close_reason;
#[cfg(unix)]
mod closing;
mod connection_control;
mod connections;
#[cfg(unix)]
mod descriptor_reserve;
#[cfg(unix)]
mod drain;
#[cfg(unix)]
mod eviction;
mod incoming;
mod io;
#[cfg(unix)]
mod keepalive;
mod label;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod listener;
mod metrics;
#[cfg(unix)]
mod socket_file;
#[cfg(unix)]
mod stream;
#[cfg(feature = "tonic")]
mod tonic;
#[cfg(all(unix, not(target_os = "linux")))]
mod unsupported;
mod upgrade;

#[cfg(target_os = "linux")]
use linux as kernel;
#[cfg(all(unix, not(target_os = "linux")))]
use unsupported as kernel;

#[cfg(unix)]
pub use self::address::{ListenAddress, ParseAddressError, PeerAddress};
#[cfg(all(feature = "axum", unix))]
pub use self::axum::AxumListener;
#[cfg(feature = "axum")]
pub use self::axum::{CountedListener, TappedListener};
#[cfg(unix)]
pub use self::bind::{Bind, BindError};
pub use self::close_reason::CloseReason;
#[cfg(unix)]
pub use self::closing::Closing;
pub use self::connection_control::ConnectionControl;
pub use self::connections::{ConnectionPermit, Connections};
#[cfg(unix)]
pub use self::descriptor_reserve::DescriptorReserve;
#[cfg(unix)]
pub use self::drain::{Drained, DrainingIncoming, DrainingListener};
pub use self::incoming::CountedIncoming;
pub use self::io::CountedIo;
pub use self::label::ListenerLabel;
#[cfg(unix)]
pub use self::listener::{Accepted, Listener, Sharing};
pub use self::metrics::METRICS;
#[cfg(unix)]
pub use self::stream::AcceptedStream;
