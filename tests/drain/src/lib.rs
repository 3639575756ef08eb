//! Stops servers under load and counts what their clients lost.
//!
//! Three programs in one, which `cargo xtask drain` runs: a server for each Rust peer ([`peers`]), a load of one kind in
//! a process of its own ([`load`]), and what starts, stops and compares them ([`compare`]). The clients ([`client`]) are
//! written to the socket, since any client library repeats requests where it may, and so hides what is counted here.

pub mod client;
pub mod compare;
pub mod fate;
pub mod load;
pub mod order;
pub mod peers;
