//! Outgoing calls by `/call`, with all of its parameters.

use campanile_tests::client::{TestRequest, TestResponse, metrics_text};
use serde_json::{Value, json};

use super::{broken_upstreams::redirecting, hold_request, refused_address, start_service};

/// Escapes a query value.
fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('&', "%26")
        .replace('+', "%2B")
        .replace('#', "%23")
        .replace(' ', "%20")
}

/// Calls `url` with further parameters and returns the report.
pub(super) fn call(from: &str, url: &str, more: &str) -> Value {
    let response = call_with(from, &format!("{}{more}", escaped(url)), "front");
    assert_eq!(response.id(), "front");
    response.json()
}

fn call_with(from: &str, query: &str, id: &str) -> TestResponse {
    let response = TestRequest::get(format!("/call?url={query}"))
        .header("x-request-id", id)
        .send(from);
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(response.header("x-view-name"), Some("call.view"));
    response
}

#[test]
fn a_call_reports_the_response() {
    let (front, back) = (start_service(&[]), start_service(&[]));
    let report = call(
        front.address(),
        &format!("http://{}/echo?x=1", back.address()),
        "",
    );
    assert_eq!(report["status"], 200);
    assert_eq!(report["history"], json!([]));
    assert_eq!(report["upstream_view"], "echo.view");
    let id = report["upstream_id"].as_str().expect("an id");
    assert_eq!(id.len(), 16 + 1 + 5);
    assert!(id.ends_with("-front"), "{id}");
    let echo: Value = serde_json::from_str(report["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(echo["request_id"], id);
    let keys: Vec<_> = report.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(
        keys,
        ["body", "history", "status", "upstream_id", "upstream_view"]
    );
}

#[test]
fn a_call_uses_the_given_method_body_and_id() {
    let (front, back) = (start_service(&[]), start_service(&[]));
    let echo = format!("http://{}/echo", back.address());
    let report = call(front.address(), &echo, "&method=POST&body=hello%20you");
    assert_eq!(report["body"], "hello you");
    let report = call(front.address(), &echo, "&rid=mine");
    assert_eq!(report["upstream_id"], "mine");
    let report = call(front.address(), &echo, "&rid=not%0Apossible");
    assert!(report["error"].is_string(), "{report}");
    let report = call(front.address(), &echo, "&method=NOT%20POSSIBLE");
    assert!(report["error"].is_string(), "{report}");
}

#[test]
fn a_call_is_recorded_under_the_given_names() {
    let (front, back) = (start_service(&[]), start_service(&[]));
    let url = format!("http://{}/echo", back.address());
    let counted = |labels: &str| {
        let text = metrics_text(front.admin());
        let line = format!("http_client_requests_total{{{labels}}} 1\n");
        assert!(text.contains(&line), "no `{line}` in\n{text}");
    };
    call(front.address(), &url, "");
    counted("server_address=\"127.0.0.1\",url_template=\"echo.view\"");
    call(front.address(), &url, "&api=get-item&hostname=stock");
    counted("server_address=\"stock\",url_template=\"get-item\"");
    call(
        front.address(),
        &format!("http://{}/status/200/no-view!", back.address()),
        "",
    );
    counted("server_address=\"127.0.0.1\",url_template=\"unknown\"");
    call(
        front.address(),
        &url,
        &format!("&name={},catalogue", back.address()),
    );
    counted("server_address=\"catalogue\",url_template=\"echo.view\"");
}

#[test]
fn retries_rotate_through_the_backends_and_are_one_call() {
    let (front, back) = (start_service(&[]), start_service(&["--max-concurrency", "1"]));
    // Holds the only permit of `back`, which sheds all other requests with 503.
    let _busy = hold_request(&back);
    let healthy = start_service(&[]);
    let backends = format!("&backends=http://{},{}", back.address(), healthy.address());
    let report = call(
        front.address(),
        "http://shop/echo",
        &format!("{backends}&retries=1"),
    );
    assert_eq!(report["status"], 200, "{report}");
    let text = metrics_text(front.admin());
    let line = "http_client_requests_total{server_address=\"shop\",url_template=\"echo.view\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("http_client_errors_total{"), "{text}");
    // The next call goes to `back` again, without a retry.
    let report = call(front.address(), "http://shop/echo", &backends);
    assert_eq!(report["status"], 503, "{report}");
    let text = metrics_text(front.admin());
    let line = "http_client_errors_total{error_code=\"503\",error_type=\"http\",server_address=\"shop\",url_template=\"unknown\"} 1\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn redirects_are_followed_and_each_hop_is_a_call() {
    let (front, back) = (start_service(&[]), start_service(&[]));
    let server = redirecting(&format!("http://{}/echo", back.address()));
    let report = call(
        front.address(),
        &format!("http://{server}/start"),
        "&method=POST&body=x",
    );
    assert_eq!(report["status"], 200, "{report}");
    assert_eq!(report["history"], json!([307, 302]));
    let echo: Value = serde_json::from_str(report["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(echo["method"], "GET");
    let text = metrics_text(front.admin());
    assert!(
        text.contains(
            "http_client_requests_total{server_address=\"127.0.0.1\",url_template=\"unknown\"} 2\n"
        ) && text.contains(
            "http_client_requests_total{server_address=\"127.0.0.1\",url_template=\"echo.view\"} 1\n"
        ),
        "{text}"
    );
    let server = redirecting("/start");
    let report = call(front.address(), &format!("http://{server}/start"), "");
    assert_eq!(report["error"], "redirected too often");
}

#[test]
fn a_failed_call_reports_its_error_and_is_recorded() {
    let front = start_service(&[]);
    let address = refused_address();
    let report = call(front.address(), &format!("http://{address}/"), "");
    assert!(
        report["error"]
            .as_str()
            .expect("an error")
            .contains("Connection refused"),
        "{report}"
    );
    let report = call(front.address(), "nonsense://:::", "");
    assert!(report["error"].is_string(), "{report}");
    let text = metrics_text(front.admin());
    let line = "http_client_errors_total{error_code=\"ECONNREFUSED\",error_type=\"connection\",server_address=\"127.0.0.1\",url_template=\"unknown\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert_eq!(TestRequest::get("/call").send(front.address()).status(), 400);
}
