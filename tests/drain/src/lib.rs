//! Shuts servers down under load and counts lost requests.
//!
//! `cargo xtask drain` runs this program in three roles: as a server for each Rust peer ([`peers`]), as a load of one kind
//! ([`load`]), and as the comparison that starts and stops them ([`compare`]). The clients ([`client`]) write to the socket
//! themselves, because client libraries retry requests, which would hide losses.

pub mod client;
pub mod compare;
pub mod load;
pub mod load_command;
pub mod peers;
pub mod request_outcome;
