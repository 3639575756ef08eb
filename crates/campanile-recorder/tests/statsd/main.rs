//! What arrives on real sockets, and what becomes of the rest.

mod allocations;
mod dsn;
mod events;
mod flusher;
mod limits;
mod own_metrics;
mod sockets;
mod stateful;
mod support;
mod together;
