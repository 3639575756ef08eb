//! The routes of the service, with their statuses, headers and bodies.

use std::io::{Read, Write};

use campanile_tests::{
    client::{Protocol, TestRequest, TestResponse, connect, read_head},
    process::Process,
};
use serde_json::json;

use super::start_service;

/// Sends a request in both protocols, and checks the status and the request ID.
pub(super) fn send_in_each_protocol(
    service: &Process,
    request: &TestRequest,
    status: u16,
    check: impl Fn(&TestResponse),
) {
    for protocol in Protocol::ALL {
        let response = request.send_over(protocol, service.address());
        assert_eq!(
            response.status(),
            status,
            "{request:?} over {protocol:?}: {response:?}"
        );
        assert!(!response.id().is_empty());
        check(&response);
    }
}

#[test]
fn fast_and_any_respond_with_ok() {
    let service = start_service(&[]);
    for path in ["/fast", "/any/", "/any/a", "/any/a/b?c=d"] {
        send_in_each_protocol(&service, &TestRequest::get(path), 200, |response| {
            assert_eq!(response.text(), "ok")
        });
    }
    send_in_each_protocol(
        &service,
        &TestRequest::new("PUT", "/any/a").body("x"),
        200,
        |_| {},
    );
    send_in_each_protocol(&service, &TestRequest::new("POST", "/fast"), 405, |_| {});
    send_in_each_protocol(&service, &TestRequest::get("/nowhere"), 404, |_| {});
}

#[test]
fn echo_shows_the_request_as_the_service_received_it() {
    let service = start_service(&[]);
    let request = TestRequest::get("/echo?x=1")
        .header("X-Request-Id", "abc")
        .header("X-Twice", "1")
        .header("X-Twice", "2");
    send_in_each_protocol(&service, &request, 200, |response| {
        assert_eq!(response.header("x-view-name"), Some("echo.view"));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.id(), "abc");
        let json = response.json();
        assert_eq!(json["request_id"], "abc");
        assert_eq!(json["method"], "GET");
        assert_eq!(json["path"], "/echo");
        assert_eq!(json["headers"]["x-request-id"], "abc");
        assert_eq!(json["headers"]["x-twice"], "1, 2");
        let keys: Vec<_> = json.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, ["headers", "method", "path", "request_id"]);
    });
    for body in [Vec::new(), b"hello".to_vec(), vec![0xff; 300_000]] {
        let request = TestRequest::new("POST", "/echo")
            .header("Content-Type", "x/y")
            .body(&body);
        send_in_each_protocol(&service, &request, 200, |response| {
            assert!(
                response.body() == body,
                "{} bytes came back",
                response.body().len()
            );
            assert_eq!(response.header("content-type"), Some("x/y"));
        });
    }
}

#[test]
fn status_responds_with_the_requested_status() {
    let service = start_service(&[]);
    for status in [200, 204, 302, 304, 404, 418, 500, 503, 599] {
        send_in_each_protocol(
            &service,
            &TestRequest::get(format!("/status/{status}")),
            status,
            |response| {
                assert_eq!(response.header("x-view-name"), None);
            },
        );
        send_in_each_protocol(
            &service,
            &TestRequest::get(format!("/status/{status}/some.view")),
            status,
            |response| {
                assert_eq!(response.header("x-view-name"), Some("some.view"));
            },
        );
    }
    send_in_each_protocol(
        &service,
        &TestRequest::get("/status/200/a%7Cb%3Ac%20d"),
        200,
        |response| {
            assert_eq!(response.header("x-view-name"), Some("a|b:c d"));
        },
    );
    for path in ["/status/101", "/status/1000", "/status/x", "/status/200/a%0Ab"] {
        send_in_each_protocol(&service, &TestRequest::get(path), 400, |_| {});
    }
}

#[test]
fn slow_routes_respond_after_their_delay() {
    let service = start_service(&[]);
    for path in ["/sleep/0.05", "/slow?s=0.05"] {
        let started = std::time::Instant::now();
        send_in_each_protocol(&service, &TestRequest::get(path), 200, |response| {
            assert_eq!(response.header("x-view-name"), Some("sleep.view"));
        });
        assert!(
            started.elapsed().as_millis() >= 100,
            "{path} twice took {:?}",
            started.elapsed()
        );
    }
    let started = std::time::Instant::now();
    send_in_each_protocol(&service, &TestRequest::get("/block?ms=50"), 200, |response| {
        assert_eq!(response.text(), "ok")
    });
    assert!(started.elapsed().as_millis() >= 100);
    let started = std::time::Instant::now();
    send_in_each_protocol(&service, &TestRequest::get("/stream?n=2"), 200, |response| {
        assert_eq!(response.text(), "chunk 0\nchunk 1\n");
        assert_eq!(response.header("content-length"), None);
    });
    assert!(started.elapsed().as_millis() >= 800);
    for path in ["/sleep/x", "/sleep/-1", "/slow", "/block", "/stream?n=x"] {
        send_in_each_protocol(&service, &TestRequest::get(path), 400, |_| {});
    }
}

#[test]
fn a_panic_becomes_a_500_and_the_connection_survives() {
    let service = start_service(&[]);
    send_in_each_protocol(
        &service,
        &TestRequest::get("/boom").header("x-request-id", "the-boom"),
        500,
        |response| {
            assert_eq!(response.id(), "the-boom");
        },
    );
    service.wait_for_log("the panic with its request ID", |log| {
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
fn health_responds_to_every_kind_of_probe() {
    let service = start_service(&[]);
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
        let request = TestRequest::get(format!("/health{kind}"));
        send_in_each_protocol(&service, &request, 200, |response| {
            assert_eq!(response.json(), shape)
        });
        let admin = request.send(service.admin());
        assert_eq!((admin.status(), admin.json()), (200, shape.clone()));
    }
    assert_eq!(TestRequest::get("/livez").send(service.admin()).status(), 200);
    assert_eq!(TestRequest::get("/readyz").send(service.admin()).json(), shape);
    for path in ["/nowhere", "/fast", "/echo"] {
        assert_eq!(
            TestRequest::get(path).send(service.admin()).status(),
            404,
            "{path}"
        );
    }
}
