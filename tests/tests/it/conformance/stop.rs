//! How the service stops, and how many connections it takes.

use std::io::{Read, Write};

use campanile_tests::{
    process::wait_until,
    wire::{Ask, connect},
};

use super::{boot, occupy};

#[test]
fn a_stop_lets_what_is_in_flight_end_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut service = boot(&["--drain", "0.5"]);
        let mut connection = connect(service.address()).unwrap();
        connection
            .write_all(b"GET /stream?n=5 HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut first = [0; 12];
        connection.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        service.signal(signal);
        wait_until(
            || Ask::get("/health").of(service.admin()).json()["phase"] == "draining",
            || "the admin port never said that the service drains".to_owned(),
        );
        assert_eq!(Ask::get("/readyz").of(service.admin()).status(), 503);
        assert_eq!(
            Ask::get("/health?type=liveness").of(service.admin()).status(),
            200
        );
        assert_eq!(Ask::get("/health?type=3").of(service.admin()).status(), 200);
        let mut rest = String::new();
        connection.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("chunk 4") && rest.ends_with("0\r\n\r\n"), "{rest}");
        assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    }
}

#[test]
fn at_the_limit_of_connections_accepting_pauses() {
    let service = boot(&["--max-connections", "1", "--backlog", "8"]);
    let mut first = connect(service.address()).unwrap();
    first.write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut status = [0; 12];
    first.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    // The kernel takes the second one; the service does not, until the first has gone.
    let mut second = connect(service.address()).unwrap();
    second
        .write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let metrics = || Ask::get("/metrics").of(service.admin()).text().to_owned();
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
            text.contains(
                "http_route=\"/fast\",outcome=\"completed\"} 1
"
            ),
            "{text}"
        );
    }
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut service = boot(&["--drain", "0", "--stop", "0.2"]);
    let mut sleeper = occupy(&service);
    service.signal("TERM");
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let mut answer = String::new();
    sleeper.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("connection: close"),
        "{answer}"
    );
    service.wait_for_log("the request that was cut", |log| log.contains("/sleep/{s}"));
}
