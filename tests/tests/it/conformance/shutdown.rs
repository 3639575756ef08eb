//! Shutdown, and the limit of connections.

use std::io::{Read, Write};

use campanile_tests::{
    client::{TestRequest, connect, metrics_text},
    process::wait_until,
};

use super::{hold_request, start_service};

#[test]
fn a_shutdown_lets_requests_in_flight_complete_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut service = start_service(&["--drain", "0.5"]);
        let mut connection = connect(service.address()).unwrap();
        connection
            .write_all(b"GET /stream?n=5 HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut first = [0; 12];
        connection.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        service.signal(signal);
        wait_until(
            || TestRequest::get("/health").send(service.admin()).json()["phase"] == "draining",
            || "the admin port did not report `draining`".to_owned(),
        );
        assert_eq!(TestRequest::get("/readyz").send(service.admin()).status(), 503);
        assert_eq!(
            TestRequest::get("/health?type=liveness")
                .send(service.admin())
                .status(),
            200
        );
        assert_eq!(
            TestRequest::get("/health?type=3").send(service.admin()).status(),
            200
        );
        let mut rest = String::new();
        connection.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("chunk 4") && rest.ends_with("0\r\n\r\n"), "{rest}");
        assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    }
}

#[test]
fn accepting_pauses_at_the_connection_limit() {
    let service = start_service(&["--max-connections", "1", "--backlog", "8"]);
    let mut first = connect(service.address()).unwrap();
    first.write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut status = [0; 12];
    first.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    // The second connection waits in the accept queue until the first one is closed.
    let mut second = connect(service.address()).unwrap();
    second
        .write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let metrics = || metrics_text(service.admin());
    let open = format!(
        "http_server_open_connections{{listener=\"{}\"}} 1\n",
        service.address()
    );
    let limit = format!(
        "http_server_connection_limit{{listener=\"{}\"}} 1\n",
        service.address()
    );
    for _ in 0..20 {
        let text = metrics();
        assert!(text.contains(&open) && text.contains(&limit), "{text}");
        assert!(
            text.contains("http_route=\"/fast\",outcome=\"completed\"} 1\n"),
            "{text}"
        );
    }
    drop(first);
    let mut response = String::new();
    second.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[test]
fn a_shutdown_ends_at_the_stop_timeout() {
    let mut service = start_service(&["--drain", "0", "--stop", "0.2"]);
    let mut sleeping = hold_request(&service);
    service.signal("TERM");
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let mut response = String::new();
    sleeping.read_to_string(&mut response).unwrap();
    assert!(
        response.starts_with("HTTP/1.1 503 ") && response.contains("connection: close"),
        "{response}"
    );
    service.wait_for_log("the aborted request", |log| log.contains("/sleep/{s}"));
}
