//! Integration tests of the admin port.

mod access;
mod closures;
#[cfg(unix)]
mod descriptors;
mod endpoints;
mod fuzz_corpus;
mod live;
mod metrics;
mod mounted;
mod probes;
mod run_blocking;
mod slow_clients;
mod support;
