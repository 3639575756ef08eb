//! The service's sockets: upgraded, of the unix family, blocked, full.

use std::io::{Read, Write};

use campanile_tests::{
    process::{Process, wait_until},
    wire::{Ask, Protocol, WebSocketOverHttp2, connect, read_head},
};
use serde_json::Value;

use super::{PROGRAM, boot, occupy, routes::each};

#[test]
fn a_blocked_service_still_has_an_admin_port() {
    let service = boot(&["--threads", "1"]);
    let mut connection = connect(service.address()).unwrap();
    connection
        .write_all(b"GET /block?ms=600000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    // Seen by the recorder once the handler has the only worker.
    wait_until(
        || {
            Ask::get("/metrics")
                .of(service.admin())
                .text()
                .contains("http_route=\"/block\"} 1")
        },
        || "the request never began".to_owned(),
    );
    assert_eq!(Ask::get("/livez").of(service.admin()).text(), "ok\n");
}

#[test]
fn a_websocket_echoes_and_the_upgrade_is_counted_while_it_lives() {
    let service = boot(&[]);
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
    let mut answer = [0; 7];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\x81\x05hello");
    let gauge = |value: &str| {
        let line = format!("http_server_upgraded_connections {value}\n");
        wait_until(
            || Ask::get("/metrics").of(service.admin()).text().contains(&line),
            || {
                format!(
                    "no `{line}` in:\n{}",
                    Ask::get("/metrics").of(service.admin()).text()
                )
            },
        );
    };
    gauge("1");
    drop(connection);
    gauge("0");
    let over_http2 = WebSocketOverHttp2::talk(service.address(), "/ws", &text_frame(b"hello"), 7);
    assert_eq!(
        (over_http2.status, &*over_http2.received),
        (200, &b"\x81\x05hello"[..])
    );
    assert!(over_http2.id.is_some_and(|id| id.len() == 36));
    gauge("0");
    // Without a handshake it says what it misses: the headers, over HTTP/2 the method.
    assert_eq!(Ask::get("/ws").of(service.address()).status(), 400);
    assert_eq!(
        Ask::get("/ws").ask(Protocol::Http2, service.address()).status(),
        405
    );
}

/// A text message from a client, masked with zeros.
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
fn a_unix_socket_serves_both_protocols_and_is_gone_afterwards() {
    let path = std::env::temp_dir().join(format!("campanile-conformance-{}.sock", std::process::id()));
    let listen = format!("unix:{}", path.display());
    let boot = || {
        Process::boot(
            PROGRAM,
            &["--listen", &listen, "--admin", "127.0.0.1:0", "--backlog", "16"],
        )
    };
    let mut service = boot();
    assert_eq!(service.address(), listen);
    each(&service, &Ask::get("/fast"), 200, |_| {});
    each(
        &service,
        &Ask::get("/echo?exact&lower").field("x-request-id", "u"),
        200,
        |answer| {
            assert_eq!(answer.id(), "u");
        },
    );
    let text = Ask::get("/metrics").of(service.admin()).text().to_owned();
    assert!(text.contains(&format!("listener=\"{listen}\"")), "{text}");
    service.signal("TERM");
    assert_eq!(service.wait().code(), Some(0));
    assert!(!path.exists(), "{} is still there", path.display());
    // One that was killed leaves its file; the next one takes it over.
    drop(boot());
    assert!(path.exists());
    let mut next = boot();
    assert_eq!(Ask::get("/fast").of(next.address()).status(), 200);
    next.signal("INT");
    assert_eq!(next.wait().code(), Some(0));
}

#[test]
fn a_full_service_sheds_and_tells_its_probes_so() {
    let service = boot(&["--max-concurrency", "1"]);
    let busy = occupy(&service);
    each(
        &service,
        &Ask::get("/fast").field("x-request-id", "s"),
        503,
        |answer| {
            assert_eq!(answer.field("retry-after"), Some("1"));
            assert_eq!(answer.id(), "s");
            assert_eq!(answer.body(), b"");
        },
    );
    each(&service, &Ask::get("/health"), 200, |answer| {
        assert_eq!(answer.json()["phase"], Value::from("ready"));
    });
    drop(busy);
    wait_until(
        || Ask::get("/fast").of(service.address()).status() == 200,
        || "the slot was never given back".to_owned(),
    );
}
