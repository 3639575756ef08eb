//! The live page of an admin port in a terminal: `campanile-top 127.0.0.1:6060`.
//!
//! The [`client`] receives the event stream of the port, the [`model`] keeps the state derived from the events, and the [`view`] draws
//! it. Model and view use neither sockets nor a terminal.
#![forbid(unsafe_code)]

pub mod client;
pub mod format;
pub mod model;
pub mod snapshot;
mod target;
pub mod view;

pub use self::target::{Target, TargetError};
