#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connections;
mod control;
mod errno;
mod incoming;
mod io;
mod label;
#[cfg(feature = "axum")]
mod listener;
mod metrics;
mod names;
#[cfg(feature = "tonic")]
mod tonic;
mod upgrade;

pub use self::connections::{Connections, Slot};
pub use self::control::{CloseReason, ConnectionControl};
pub use self::incoming::CountedIncoming;
pub use self::io::CountedIo;
pub use self::label::ListenerLabel;
#[cfg(feature = "axum")]
pub use self::listener::{CountedListener, TappedListener};
