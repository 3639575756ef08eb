//! Every route of the service, with its status, its headers and what it says.

use std::io::{Read, Write};

use campanile_tests::{
    process::{Process, wait_until},
    wire::{Ask, Protocol, WebSocketOverHttp2, connect, read_head},
};
use serde_json::{Value, json};

use super::{PROGRAM, boot};

/// Asks in both protocols and expects a status; every answer has one id.
fn each(service: &Process, ask: &Ask, status: u16, check: impl Fn(&campanile_tests::wire::Answer)) {
    for protocol in Protocol::ALL {
        let answer = ask.ask(protocol, service.address());
        assert_eq!(answer.status(), status, "{ask:?} over {protocol:?}: {answer:?}");
        assert!(!answer.id().is_empty());
        check(&answer);
    }
}

#[test]
fn fast_and_any_say_ok_to_whom_they_should() {
    let service = boot(&[]);
    for path in ["/fast", "/any/", "/any/a", "/any/a/b?c=d"] {
        each(&service, &Ask::get(path), 200, |answer| {
            assert_eq!(answer.text(), "ok")
        });
    }
    each(&service, &Ask::new("PUT", "/any/a").body("x"), 200, |_| {});
    each(&service, &Ask::new("POST", "/fast"), 405, |_| {});
    each(&service, &Ask::get("/nowhere"), 404, |_| {});
}

#[test]
fn echo_shows_the_request_as_the_service_saw_it() {
    let service = boot(&[]);
    let ask = Ask::get("/echo?x=1")
        .field("X-Request-Id", "abc")
        .field("X-Twice", "1")
        .field("X-Twice", "2");
    each(&service, &ask, 200, |answer| {
        assert_eq!(answer.field("x-view-name"), Some("echo.view"));
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.id(), "abc");
        let said = answer.json();
        assert_eq!(said["request_id"], "abc");
        assert_eq!(said["method"], "GET");
        assert_eq!(said["path"], "/echo");
        assert_eq!(said["headers"]["x-request-id"], "abc");
        assert_eq!(said["headers"]["x-twice"], "1, 2");
        let keys: Vec<_> = said.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, ["headers", "method", "path", "request_id"]);
    });
    for body in [Vec::new(), b"hello".to_vec(), vec![0xff; 300_000]] {
        let ask = Ask::new("POST", "/echo").field("Content-Type", "x/y").body(&body);
        each(&service, &ask, 200, |answer| {
            assert!(answer.body() == body, "{} bytes came back", answer.body().len());
            assert_eq!(answer.field("content-type"), Some("x/y"));
        });
    }
}

#[test]
fn status_answers_with_what_it_is_told() {
    let service = boot(&[]);
    for status in [200, 204, 302, 304, 404, 418, 500, 503, 599] {
        each(
            &service,
            &Ask::get(format!("/status/{status}")),
            status,
            |answer| {
                assert_eq!(answer.field("x-view-name"), None);
            },
        );
        each(
            &service,
            &Ask::get(format!("/status/{status}/some.view")),
            status,
            |answer| {
                assert_eq!(answer.field("x-view-name"), Some("some.view"));
            },
        );
    }
    each(&service, &Ask::get("/status/200/a%7Cb%3Ac%20d"), 200, |answer| {
        assert_eq!(answer.field("x-view-name"), Some("a|b:c d"));
    });
    for path in ["/status/101", "/status/1000", "/status/x", "/status/200/a%0Ab"] {
        each(&service, &Ask::get(path), 400, |_| {});
    }
}

#[test]
fn slow_routes_take_their_time() {
    let service = boot(&[]);
    for path in ["/sleep/0.05", "/slow?s=0.05"] {
        let started = std::time::Instant::now();
        each(&service, &Ask::get(path), 200, |answer| {
            assert_eq!(answer.field("x-view-name"), Some("sleep.view"));
        });
        assert!(
            started.elapsed().as_millis() >= 100,
            "{path} twice took {:?}",
            started.elapsed()
        );
    }
    let started = std::time::Instant::now();
    each(&service, &Ask::get("/block?ms=50"), 200, |answer| {
        assert_eq!(answer.text(), "ok")
    });
    assert!(started.elapsed().as_millis() >= 100);
    let started = std::time::Instant::now();
    each(&service, &Ask::get("/stream?n=2"), 200, |answer| {
        assert_eq!(answer.text(), "chunk 0\nchunk 1\n");
        assert_eq!(answer.field("content-length"), None);
    });
    assert!(started.elapsed().as_millis() >= 800);
    for path in ["/sleep/x", "/sleep/-1", "/slow", "/block", "/stream?n=x"] {
        each(&service, &Ask::get(path), 400, |_| {});
    }
}

#[test]
fn a_panic_is_an_answer_and_the_connection_survives() {
    let service = boot(&[]);
    each(
        &service,
        &Ask::get("/boom").field("x-request-id", "the-boom"),
        500,
        |answer| {
            assert_eq!(answer.id(), "the-boom");
        },
    );
    service.wait_for_log("the panic, under its id", |log| {
        log.lines()
            .any(|line| line.contains("request_id=the-boom") && line.contains("panic=\"boom\""))
    });
    let mut connection = connect(service.address()).unwrap();
    connection
        .write_all(b"GET /boom HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let head = read_head(&mut *connection);
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    connection
        .write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut rest = String::new();
    connection.read_to_string(&mut rest).unwrap();
    assert!(
        rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("\r\n\r\nok"),
        "{rest}"
    );
}

#[test]
fn health_is_told_to_probes_of_every_kind() {
    let service = boot(&[]);
    let shape = json!({"phase": "ready", "seconds_left": null, "checks": {}});
    for kind in [
        "",
        "?type=readiness",
        "?type=liveness",
        "?type=startup",
        "?type=1",
        "?type=2",
        "?type=3",
        "?type=x",
    ] {
        let ask = Ask::get(format!("/health{kind}"));
        each(&service, &ask, 200, |answer| assert_eq!(answer.json(), shape));
        let admin = ask.of(service.admin());
        assert_eq!((admin.status(), admin.json()), (200, shape.clone()));
    }
    assert_eq!(Ask::get("/livez").of(service.admin()).status(), 200);
    assert_eq!(Ask::get("/readyz").of(service.admin()).json(), shape);
    for path in ["/", "/nowhere", "/fast", "/_status/ping"] {
        assert_eq!(Ask::get(path).of(service.admin()).status(), 404, "{path}");
    }
}

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
    assert_eq!(Ask::get("/livez").of(service.admin()).text(), "ok");
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
    let mut busy = connect(service.address()).unwrap();
    busy.write_all(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    wait_until(
        || Ask::get("/fast").of(service.address()).status() == 503,
        || "nothing was shed".to_owned(),
    );
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
