//! Lines that arrive on real sockets, and counts of those that do not.

mod allocations;
mod dsn;
mod events;
mod flusher;
mod host;
mod limits;
mod profiles;
mod sockets;
mod stateful;
mod stats;
mod support;
