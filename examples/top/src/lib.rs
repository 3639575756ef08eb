//! A service in a terminal, seen through its admin port: `campanile-top 127.0.0.1:6060`.
//!
//! Three parts, which meet in `main`: the [`client`] stays attached to the port's stream of events, the [`model`] is what
//! they tell, the [`view`] draws it. Neither of the latter knows a socket or a terminal.
#![forbid(unsafe_code)]

pub mod client;
pub mod model;
pub mod number;
pub mod snapshot;
mod target;
pub mod view;

pub use self::target::{Target, TargetError};
