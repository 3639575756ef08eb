//! The conformance service, driven over real sockets.

mod baseplate;
mod broken_upstreams;
mod call;
mod deadline;
mod descriptor_exhaustion;
mod flags;
mod gunicorn;
mod in_flight;
mod metrics;
mod multiprocess;
mod normalize;
mod routes;
mod shutdown;
mod shutdown_timeline;
mod sockets;
mod statsd_daemon;
mod statsd_exporter;
mod talisker;
mod traffic;

use campanile_tests::{
    client::{Socket, connect, metrics_text},
    process::{Process, wait_until},
};

/// The path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_conformance");

/// Starts the service on free ports, with further flags.
pub(crate) fn start_service(flags: &[&str]) -> Process {
    let mut all = vec!["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    all.extend_from_slice(flags);
    Process::start(PROGRAM, &all)
}

/// Returns an address that refuses connections.
pub(crate) fn refused_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("the listener is bound").to_string()
}

/// Holds a request in flight until the returned connection is dropped.
pub(crate) fn hold_request(service: &Process) -> Box<dyn Socket> {
    hold_request_with(
        service,
        "http_server_active_requests{http_request_method=\"GET\",http_route=\"/sleep/{s}\"} 1\n",
    )
}

/// As [`hold_request`], with the series that shows the request.
///
/// A request to the service instead could take the only permit of its limit.
fn hold_request_with(service: &Process, active: &str) -> Box<dyn Socket> {
    let mut connection = connect(service.address()).expect("the service listens");
    connection
        .write_all(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("the connection is open");
    let metrics = || metrics_text(service.admin());
    wait_until(
        || metrics().contains(active),
        || format!("the request did not start:\n{}", metrics()),
    );
    connection
}
