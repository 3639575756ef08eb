//! Request IDs from clients: never an error, and one ID on every response.

use campanile_tests::{
    client::{Http2Reaction, Protocol, TestRequest, TestResponse, metrics_text, send_raw_header},
    process::Process,
};

use crate::conformance::start_service;

/// Sends a request with these IDs, and returns the response after checking that the app saw the same ID as the client.
fn echo(service: &Process, protocol: Protocol, ids: &[&[u8]]) -> TestResponse {
    let request = ids.iter().fold(TestRequest::get("/echo"), |request, id| {
        request.header("X-Request-Id", id)
    });
    let response = request.send_over(protocol, service.address());
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(response.json()["request_id"], response.id());
    response
}

fn is_new(id: &str) -> bool {
    let version = id.as_bytes().get(14) == Some(&b'4');
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    version && groups == [8, 4, 4, 4, 12]
}

/// Returns the number of rejected IDs.
fn rejected(service: &Process) -> u64 {
    let text = metrics_text(service.admin());
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("http_server_request_ids_rejected_total "));
    line.map_or(0, |value| value.parse().expect("a whole number"))
}

#[test]
fn ids_of_1_to_256_visible_bytes_are_adopted() {
    let service = start_service(&[]);
    let all: Vec<u8> = (0x21..=0x7e).filter(|byte| !b",;\"".contains(byte)).collect();
    for protocol in Protocol::ALL {
        for id in [&b"a"[..], b"!", b"~", &[b'x'; 256], &all] {
            let response = echo(&service, protocol, &[id]);
            assert_eq!(response.id().as_bytes(), id, "{protocol:?}");
        }
    }
    assert_eq!(rejected(&service), 0);
}

#[test]
fn an_invalid_id_is_replaced_and_counted() {
    let service = start_service(&[]);
    let mut count = 0;
    for protocol in Protocol::ALL {
        for id in [
            &b""[..],
            &[b'x'; 257],
            &[b'x'; 10_000],
            b"a,b",
            b"a;b",
            b"a\"b",
            b"\"a\"",
            b"a b",
            b"a\tb",
            "caf\u{e9}".as_bytes(),
            b"\xff\xfe",
            b"\x80",
        ] {
            let response = echo(&service, protocol, &[id]);
            assert!(
                is_new(response.id()),
                "{protocol:?} {}: {response:?}",
                id.escape_ascii()
            );
            count += 1;
            assert_eq!(rejected(&service), count, "{protocol:?} {}", id.escape_ascii());
        }
    }
}

#[test]
fn without_an_id_there_is_a_new_one_each_time_and_nothing_is_rejected() {
    let service = start_service(&[]);
    let mut seen = std::collections::HashSet::new();
    for protocol in Protocol::ALL {
        for _ in 0..20 {
            let response = echo(&service, protocol, &[]);
            assert!(is_new(response.id()), "{response:?}");
            assert!(
                seen.insert(response.id().to_owned()),
                "{} was used twice",
                response.id()
            );
        }
    }
    assert_eq!(rejected(&service), 0);
}

#[test]
fn blanks_around_an_id_are_trimmed() {
    let service = start_service(&[]);
    for id in [&b" abc"[..], b"abc ", b"  \t abc \t ", b"\tabc"] {
        for protocol in Protocol::ALL {
            assert_eq!(
                echo(&service, protocol, &[id]).id(),
                "abc",
                "{protocol:?} {}",
                id.escape_ascii()
            );
        }
    }
    assert_eq!(rejected(&service), 0);
    for protocol in Protocol::ALL {
        assert!(is_new(echo(&service, protocol, &[b"  \t "]).id()));
    }
    assert_eq!(rejected(&service), 2);
}

#[test]
fn the_first_of_several_ids_is_used() {
    let service = start_service(&[]);
    for protocol in Protocol::ALL {
        assert_eq!(echo(&service, protocol, &[b"one", b"two", b"three"]).id(), "one");
        assert_eq!(echo(&service, protocol, &[b"one", b"not one"]).id(), "one");
    }
    assert_eq!(rejected(&service), 0);
    for protocol in Protocol::ALL {
        assert!(is_new(echo(&service, protocol, &[b"not one", b"two"]).id()));
    }
    assert_eq!(rejected(&service), 2);
}

#[test]
fn the_header_name_is_case_insensitive_and_has_no_underscores() {
    let service = start_service(&[]);
    for name in ["x-request-id", "X-REQUEST-ID", "X-Request-ID"] {
        for protocol in Protocol::ALL {
            let response = TestRequest::get("/fast")
                .header(name, "abc")
                .send_over(protocol, service.address());
            assert_eq!(response.id(), "abc", "{name} over {protocol:?}");
        }
    }
    let response = TestRequest::get("/fast")
        .header("X_Request_Id", "abc")
        .send(service.address());
    assert!(is_new(response.id()));
}

#[test]
fn the_response_has_the_id_of_the_request_once_whatever_the_app_sets() {
    let service = start_service(&[]);
    for protocol in Protocol::ALL {
        for query in ["?exact", "?lower", "?exact&lower", ""] {
            let request = TestRequest::get(format!("/echo{query}"));
            let response = request
                .clone()
                .header("x-request-id", "mine")
                .send_over(protocol, service.address());
            // `id` fails on a repeated header.
            assert_eq!(response.id(), "mine", "{query} over {protocol:?}");
            assert!(is_new(request.send_over(protocol, service.address()).id()));
        }
    }
}

#[test]
fn control_bytes_in_a_header_are_rejected_by_the_protocol() {
    let service = start_service(&[]);
    for byte in [0x00, 0x01, 0x0b, 0x1b, 0x1f, 0x7f] {
        let id = [b'a', byte, b'b'];
        // HTTP/1: the server responds 400 and closes.
        let response = TestRequest::get("/echo")
            .header("X-Request-Id", id)
            .send(service.address());
        assert_eq!(
            (response.status(), response.body()),
            (400, &b"The request is not valid HTTP.\n"[..]),
            "{byte:#04x}"
        );
        assert_eq!(response.header("x-request-id"), None, "{byte:#04x}");
        // HTTP/2: a connection error (PROTOCOL_ERROR).
        let reaction = send_raw_header(service.address(), "/echo", "x-request-id", &id);
        assert_eq!(reaction, Http2Reaction::GoAway(1), "{byte:#04x}");
    }
    assert_eq!(
        send_raw_header(service.address(), "/echo", "x-request-id", b"ab"),
        Http2Reaction::Headers
    );
    // None of these requests reached the service.
    assert_eq!(rejected(&service), 0);
}

#[test]
fn a_head_that_is_too_large_is_rejected_by_the_protocol() {
    let service = start_service(&[]);
    let (fits, too_large) = (65_000, 66_000);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let request = |length| TestRequest::get("/fast").header("X-Request-Id", vec![b'x'; length]);
        let response = request(fits).send_over(protocol, service.address());
        assert_eq!(response.status(), 200, "{protocol:?}");
        assert!(is_new(response.id()));
        let response = request(too_large).send_over(protocol, service.address());
        assert_eq!(response.status(), 431, "{protocol:?}");
        assert_eq!(response.header("x-request-id"), None, "{protocol:?}");
    }
    assert_eq!(rejected(&service), 2);
}

#[test]
fn responses_of_the_layers_have_the_id_too() {
    let service = start_service(&["--max-concurrency", "1"]);
    for protocol in Protocol::ALL {
        for (path, status) in [
            ("/nowhere", 404),
            ("/boom", 500),
            ("/sleep/x", 400),
            ("/status/204", 204),
        ] {
            let response = TestRequest::get(path)
                .header("x-request-id", "mine")
                .send_over(protocol, service.address());
            assert_eq!(
                (response.status(), response.id()),
                (status, "mine"),
                "{path} over {protocol:?}"
            );
        }
        let late = TestRequest::get("/fast")
            .header("x-request-id", "mine")
            .header("x-request-deadline", "2001-02-03T04:05:06Z");
        let response = late.send_over(protocol, service.address());
        assert_eq!((response.status(), response.id()), (504, "mine"));
        let head = TestRequest::new("HEAD", "/fast")
            .header("x-request-id", "mine")
            .send_over(protocol, service.address());
        assert_eq!((head.status(), head.id()), (200, "mine"));
    }
}
