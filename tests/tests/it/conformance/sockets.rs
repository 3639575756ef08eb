//! Sockets of the service: upgraded, unix, blocked, and full.

use std::io::{Read, Write};

use campanile_tests::{
    client::{Protocol, TestRequest, WebSocketOverHttp2, connect, metrics_text, read_head},
    process::{Process, wait_until},
};
use serde_json::Value;

use super::{PROGRAM, hold_request, routes::send_in_each_protocol, start_service};

#[test]
fn admin_port_works_while_the_service_is_blocked() {
    let service = start_service(&["--threads", "1"]);
    let mut connection = connect(service.address()).unwrap();
    connection
        .write_all(b"GET /block?ms=600000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    // The gauge shows that the handler occupies the only worker.
    wait_until(
        || metrics_text(service.admin()).contains("http_route=\"/block\"} 1"),
        || "the request did not start".to_owned(),
    );
    assert_eq!(TestRequest::get("/livez").send(service.admin()).text(), "ok\n");
}

#[test]
fn a_websocket_echoes_and_is_counted_while_it_is_open() {
    let service = start_service(&[]);
    let mut connection = connect(service.address()).unwrap();
    let handshake = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Request-Id: ws\r\n\r\n";
    connection.write_all(handshake.as_bytes()).unwrap();
    let head = read_head(&mut *connection).to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.1 101 ") && head.contains("x-request-id: ws\r\n"),
        "{head}"
    );
    connection.write_all(&text_frame(b"hello")).unwrap();
    let mut response = [0; 7];
    connection.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"\x81\x05hello");
    let gauge = |value: &str| {
        let line = format!("http_server_upgraded_connections {value}\n");
        wait_until(
            || metrics_text(service.admin()).contains(&line),
            || format!("no `{line}` in:\n{}", metrics_text(service.admin())),
        );
    };
    gauge("1");
    drop(connection);
    gauge("0");
    let over_http2 = WebSocketOverHttp2::exchange(service.address(), "/ws", text_frame(b"hello"), 7);
    assert_eq!(
        (over_http2.status, &*over_http2.received),
        (200, &b"\x81\x05hello"[..])
    );
    assert!(over_http2.id.is_some_and(|id| id.len() == 36));
    gauge("0");
    // Without a handshake the headers are missing; over HTTP/2 the method is wrong.
    assert_eq!(TestRequest::get("/ws").send(service.address()).status(), 400);
    assert_eq!(
        TestRequest::get("/ws")
            .send_over(Protocol::Http2, service.address())
            .status(),
        405
    );
}

/// Makes a text frame of a client, masked with zeros.
fn text_frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![
        0x81,
        0x80 | u8::try_from(text.len()).expect("a short text"),
        0,
        0,
        0,
        0,
    ];
    frame.extend_from_slice(text);
    frame
}

#[test]
fn a_unix_socket_serves_both_protocols_and_is_removed_afterwards() {
    let path = std::env::temp_dir().join(format!("campanile-conformance-{}.sock", std::process::id()));
    let listen = format!("unix:{}", path.display());
    let start_service = || {
        Process::start(
            PROGRAM,
            &[
                "--listen",
                &listen,
                "--admin",
                "127.0.0.1:0",
                "--backlog",
                "16",
                "--drain",
                "0",
            ],
        )
    };
    let mut service = start_service();
    assert_eq!(service.address(), listen);
    send_in_each_protocol(&service, &TestRequest::get("/fast"), 200, |_| {});
    send_in_each_protocol(
        &service,
        &TestRequest::get("/echo?exact&lower").header("x-request-id", "u"),
        200,
        |response| {
            assert_eq!(response.id(), "u");
        },
    );
    let text = metrics_text(service.admin());
    assert!(text.contains(&format!("listener=\"{listen}\"")), "{text}");
    service.signal("TERM");
    assert_eq!(service.wait().code(), Some(0));
    assert!(!path.exists(), "{} still exists", path.display());
    // A killed service leaves its socket file, which the next one replaces.
    drop(start_service());
    assert!(path.exists());
    let mut next = start_service();
    assert_eq!(TestRequest::get("/fast").send(next.address()).status(), 200);
    next.signal("INT");
    assert_eq!(next.wait().code(), Some(0));
}

#[test]
fn a_full_service_sheds_requests_but_not_health_checks() {
    let service = start_service(&["--max-concurrency", "1"]);
    let busy = hold_request(&service);
    send_in_each_protocol(
        &service,
        &TestRequest::get("/fast").header("x-request-id", "s"),
        503,
        |response| {
            assert_eq!(response.header("retry-after"), Some("1"));
            assert_eq!(response.id(), "s");
            assert_eq!(response.body(), b"");
        },
    );
    send_in_each_protocol(&service, &TestRequest::get("/health"), 200, |response| {
        assert_eq!(response.json()["phase"], Value::from("ready"));
    });
    drop(busy);
    wait_until(
        || TestRequest::get("/fast").send(service.address()).status() == 200,
        || "the permit was not released".to_owned(),
    );
}
