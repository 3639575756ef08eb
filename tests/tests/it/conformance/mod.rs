//! The service that others drive from outside, over real sockets.

mod baseplate;
mod call;
mod daemon;
mod deadline;
mod exhausted;
mod flags;
mod gunicorn;
mod in_flight;
mod metrics;
mod processes;
mod routes;
mod script;
mod sockets;
mod statsd;
mod steady;
mod stop;
mod talisker;
mod timeline;
mod upstreams;

use campanile_tests::{
    process::{Process, wait_until},
    wire::{Ask, Socket, connect},
};

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

/// Has the service sleep for somebody until the connection is dropped.
pub(crate) fn occupy(service: &Process) -> Box<dyn Socket> {
    occupy_with(
        service,
        "http_server_active_requests{http_request_method=\"GET\",http_route=\"/sleep/{s}\"} 1\n",
    )
}

/// As [`occupy`], where another gauge tells of it.
///
/// Seen by its gauge and not by probes of the service: a probe could have the only slot when the sleeper comes.
fn occupy_with(service: &Process, active: &str) -> Box<dyn Socket> {
    let mut connection = connect(service.address()).expect("the service listens");
    connection
        .write_all(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("the connection lives");
    let metrics = || Ask::get("/metrics").of(service.admin()).text().to_owned();
    wait_until(
        || metrics().contains(active),
        || format!("the request never began:\n{}", metrics()),
    );
    connection
}
