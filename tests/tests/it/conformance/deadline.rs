//! Deadlines of incoming requests and outgoing calls.

use std::{
    io::ErrorKind,
    net::TcpListener,
    time::{Duration, SystemTime},
};

use campanile_core::Deadline;
use campanile_tests::{
    client::{TestRequest, metrics_text},
    process::Process,
};
use http::HeaderMap;
use serde_json::Value;

use super::{call::call, start_service};

/// Makes `front` call `back`, and returns the deadline that `back` received.
fn forwarded(front: &Process, back: &Process, deadline: Option<&str>, more: &str) -> Option<String> {
    let mut request = TestRequest::get(format!("/call?url=http://{}/echo{more}", back.address()));
    if let Some(deadline) = deadline {
        request = request.header("X-Request-Deadline", deadline);
    }
    let report = request.send(front.address()).json();
    let echo: Value =
        serde_json::from_str(report["body"].as_str().unwrap_or_else(|| panic!("{report}"))).expect("JSON");
    echo["headers"]["x-request-deadline"].as_str().map(str::to_owned)
}

/// Returns the time left until a deadline.
fn remaining(deadline: &str) -> Duration {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-request-deadline",
        deadline.parse().expect("a valid header value"),
    );
    Deadline::from_headers(&headers)
        .expect("the deadline is valid")
        .expect("there is a deadline")
        .remaining()
}

/// Formats a time in the future as the header.
fn from_now(time: Duration) -> String {
    let value = Deadline::at(SystemTime::now() + time).to_header();
    value.to_str().expect("a time is ASCII").to_owned()
}

#[test]
fn the_nearer_deadline_is_forwarded_with_six_digits_and_z() {
    let (front, back) = (start_service(&[]), start_service(&[]));
    assert_eq!(forwarded(&front, &back, None, ""), None);
    let far = "2100-01-02T03:04:05Z";
    assert_eq!(
        forwarded(&front, &back, Some(far), "").as_deref(),
        Some("2100-01-02T03:04:05.000000Z")
    );
    let far = "2100-01-02T03:04:05.5Z";
    assert_eq!(
        forwarded(&front, &back, Some(far), "").as_deref(),
        Some("2100-01-02T03:04:05.500000Z")
    );
    for incoming in [None, Some(far)] {
        let own = forwarded(&front, &back, incoming, "&timeout=60").expect("the call has a deadline");
        assert_eq!(own.len(), "2100-01-02T03:04:05.500000Z".len(), "{own}");
        assert!(own.ends_with('Z') && own.as_bytes()[19] == b'.', "{own}");
        let left = remaining(&own);
        assert!(
            left > Duration::from_secs(20) && left <= Duration::from_secs(60),
            "{own} is {left:?} away"
        );
    }
    let near = from_now(Duration::from_secs(60));
    assert_eq!(forwarded(&front, &back, Some(&near), "&timeout=600"), Some(near));
}

#[test]
fn a_passed_deadline_fails_immediately_and_opens_no_connection() {
    let front = start_service(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let report = call(front.address(), &url, "&timeout=0");
    assert_eq!(report["error"], "the deadline of the call has passed");
    let request =
        TestRequest::get(format!("/call?url={url}")).header("X-Request-Deadline", "2001-02-03T04:05:06Z");
    assert_eq!(request.send(front.address()).status(), 504);
    assert_eq!(
        listener.accept().expect_err("no client connected").kind(),
        ErrorKind::WouldBlock
    );
    let text = metrics_text(front.admin());
    assert!(text.contains("http_client_timeouts_total{phase=\"deadline\",server_address=\"127.0.0.1\",url_template=\"unknown\"} 1\n"), "{text}");
    assert!(text.contains("http_server_requests_total{http_request_method=\"GET\",http_response_status_code=\"504\",http_route=\"/call\",outcome=\"timed_out\"} 1\n"), "{text}");
    assert!(!text.contains("http_client_connections_total{"), "{text}");
}

#[test]
fn a_deadline_ends_a_waiting_call_and_an_unfinished_body() {
    let (front, back) = (start_service(&[]), start_service(&[]));
    for path in ["/sleep/600", "/stream?n=3000"] {
        let report = call(
            front.address(),
            &format!("http://{}{path}", back.address()),
            "&timeout=0.3",
        );
        // The deadline is forwarded, so the upstream may be the first to fail.
        assert!(
            report["error"].is_string() || report["status"] == 504,
            "{path}: {report}"
        );
    }
    let late = from_now(Duration::from_millis(300));
    let request = TestRequest::get("/sleep/600").header("X-Request-Deadline", late);
    assert_eq!(request.send(back.address()).status(), 504);
}

#[test]
fn an_invalid_deadline_is_ignored_and_counted() {
    let service = start_service(&[]);
    for value in [
        "",
        "soon",
        "2001-02-03 04:05",
        "2001-02-03T04:05:06+01:00",
        "\u{e9}",
    ] {
        let response = TestRequest::get("/fast")
            .header("X-Request-Deadline", value)
            .send(service.address());
        assert_eq!(response.status(), 200, "{value}: {response:?}");
    }
    let text = metrics_text(service.admin());
    assert!(
        text.contains("http_server_deadlines_rejected_total 5\n"),
        "{text}"
    );
}
