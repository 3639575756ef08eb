//! Every route of the service, with its status, its headers and what it says.

use std::io::{Read, Write};

use campanile_tests::{
    process::Process,
    wire::{Answer, Ask, Protocol, connect, read_head},
};
use serde_json::json;

use super::boot;

/// Asks in both protocols and expects a status; every answer has one id.
pub(super) fn each(service: &Process, ask: &Ask, status: u16, check: impl Fn(&Answer)) {
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
    for path in ["/nowhere", "/fast", "/echo"] {
        assert_eq!(Ask::get(path).of(service.admin()).status(), 404, "{path}");
    }
}
