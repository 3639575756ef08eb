//! The service that others drive from outside, over real sockets.

mod call;
mod deadline;
mod flags;
mod metrics;
mod routes;
mod stop;

use campanile_tests::process::Process;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_conformance");

/// Boots the service at free ports, with further flags.
pub(crate) fn boot(flags: &[&str]) -> Process {
    let mut all = vec!["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    all.extend_from_slice(flags);
    Process::boot(PROGRAM, &all)
}

/// An address that refuses connections: bound a moment ago and given back.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}
