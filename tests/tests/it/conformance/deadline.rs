//! Deadlines, in and out.

use std::{
    io::ErrorKind,
    net::TcpListener,
    time::{Duration, SystemTime},
};

use campanile_core::Deadline;
use campanile_tests::{process::Process, wire::Ask};
use http::HeaderMap;
use serde_json::Value;

use super::{boot, call::call};

/// Has `front` call `back`, and returns the deadline that `back` was told.
fn told(front: &Process, back: &Process, deadline: Option<&str>, more: &str) -> Option<String> {
    let mut ask = Ask::get(format!("/call?url=http://{}/echo{more}", back.address()));
    if let Some(deadline) = deadline {
        ask = ask.field("X-Request-Deadline", deadline);
    }
    let said = ask.of(front.address()).json();
    let echo: Value =
        serde_json::from_str(said["body"].as_str().unwrap_or_else(|| panic!("{said}"))).expect("JSON");
    echo["headers"]["x-request-deadline"].as_str().map(str::to_owned)
}

/// How far a deadline lies ahead.
fn ahead(deadline: &str) -> Duration {
    let mut fields = HeaderMap::new();
    fields.insert(
        "x-request-deadline",
        deadline.parse().expect("a value of a header"),
    );
    Deadline::from_headers(&fields)
        .expect("it can be read")
        .expect("there is one")
        .remaining()
}

/// A moment from now, in the form of the header.
fn from_now(time: Duration) -> String {
    let value = Deadline::at(SystemTime::now() + time).to_header();
    value.to_str().expect("a time is ASCII").to_owned()
}

#[test]
fn the_nearer_deadline_goes_along_with_six_digits_and_z() {
    let (front, back) = (boot(&[]), boot(&[]));
    assert_eq!(told(&front, &back, None, ""), None);
    let far = "2100-01-02T03:04:05Z";
    assert_eq!(
        told(&front, &back, Some(far), "").as_deref(),
        Some("2100-01-02T03:04:05.000000Z")
    );
    let far = "2100-01-02T03:04:05.5Z";
    assert_eq!(
        told(&front, &back, Some(far), "").as_deref(),
        Some("2100-01-02T03:04:05.500000Z")
    );
    for incoming in [None, Some(far)] {
        let own = told(&front, &back, incoming, "&timeout=60").expect("the call has a deadline");
        assert_eq!(own.len(), "2100-01-02T03:04:05.500000Z".len(), "{own}");
        assert!(own.ends_with('Z') && own.as_bytes()[19] == b'.', "{own}");
        let left = ahead(&own);
        assert!(
            left > Duration::from_secs(20) && left <= Duration::from_secs(60),
            "{own} is {left:?} ahead"
        );
    }
    let near = from_now(Duration::from_secs(60));
    assert_eq!(told(&front, &back, Some(&near), "&timeout=600"), Some(near));
}

#[test]
fn a_deadline_that_has_passed_fails_at_once_and_opens_no_connection() {
    let front = boot(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let said = call(front.address(), &url, "&timeout=0");
    assert_eq!(said["error"], "the deadline of the call has passed");
    let ask = Ask::get(format!("/call?url={url}")).field("X-Request-Deadline", "2001-02-03T04:05:06Z");
    assert_eq!(ask.of(front.address()).status(), 504);
    assert_eq!(
        listener.accept().expect_err("nobody came").kind(),
        ErrorKind::WouldBlock
    );
    let text = Ask::get("/metrics").of(front.admin()).text().to_owned();
    assert!(text.contains("http_client_timeouts_total{phase=\"deadline\",server_address=\"127.0.0.1\",url_template=\"unknown\"} 1\n"), "{text}");
    assert!(text.contains("http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"504\",http_route=\"/call\",outcome=\"timed_out\"} 1\n"), "{text}");
    assert!(!text.contains("http_client_connections_total{"), "{text}");
}

#[test]
fn a_deadline_ends_a_call_that_waits_and_a_body_that_does_not_come() {
    let (front, back) = (boot(&[]), boot(&[]));
    for path in ["/sleep/600", "/stream?n=3000"] {
        let said = call(
            front.address(),
            &format!("http://{}{path}", back.address()),
            "&timeout=0.3",
        );
        // The deadline goes along, so the other side may be the first to say that it has passed.
        assert!(
            said["error"].is_string() || said["status"] == 504,
            "{path}: {said}"
        );
    }
    let late = from_now(Duration::from_millis(300));
    let ask = Ask::get("/sleep/600").field("X-Request-Deadline", late);
    assert_eq!(ask.of(back.address()).status(), 504);
}

#[test]
fn a_deadline_that_cannot_be_read_is_ignored_and_counted() {
    let service = boot(&[]);
    for value in [
        "",
        "soon",
        "2001-02-03 04:05",
        "2001-02-03T04:05:06+01:00",
        "\u{e9}",
    ] {
        let answer = Ask::get("/fast")
            .field("X-Request-Deadline", value)
            .of(service.address());
        assert_eq!(answer.status(), 200, "{value}: {answer:?}");
    }
    let text = Ask::get("/metrics").of(service.admin()).text().to_owned();
    assert!(
        text.contains("http_server_deadlines_rejected_total 5\n"),
        "{text}"
    );
}
