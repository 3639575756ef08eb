//! Outgoing calls by `/call`, with everything that can be asked of them.

use campanile_tests::wire::{Answer, Ask};
use serde_json::{Value, json};

use super::{boot, nobody, occupy, upstreams::redirector};

/// Escapes what would end a value in a query.
fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('&', "%26")
        .replace('+', "%2B")
        .replace('#', "%23")
        .replace(' ', "%20")
}

/// Calls `url` with further parameters and returns what became of it.
pub(super) fn call(from: &str, url: &str, more: &str) -> Value {
    let answer = call_with(from, &format!("{}{more}", escaped(url)), "front");
    assert_eq!(answer.id(), "front");
    answer.json()
}

fn call_with(from: &str, query: &str, id: &str) -> Answer {
    let answer = Ask::get(format!("/call?url={query}"))
        .field("x-request-id", id)
        .of(from);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.field("x-view-name"), Some("call.view"));
    answer
}

fn metrics(admin: &str) -> String {
    Ask::get("/metrics").of(admin).text().to_owned()
}

#[test]
fn a_call_tells_what_came_back() {
    let (front, back) = (boot(&[]), boot(&[]));
    let said = call(
        front.address(),
        &format!("http://{}/echo?x=1", back.address()),
        "",
    );
    assert_eq!(said["status"], 200);
    assert_eq!(said["history"], json!([]));
    assert_eq!(said["upstream_view"], "echo.view");
    let id = said["upstream_id"].as_str().expect("an id");
    assert_eq!(id.len(), 16 + 1 + 5);
    assert!(id.ends_with("-front"), "{id}");
    let echo: Value = serde_json::from_str(said["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(echo["request_id"], id);
    let keys: Vec<_> = said.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(
        keys,
        ["body", "history", "status", "upstream_id", "upstream_view"]
    );
}

#[test]
fn a_call_takes_method_body_and_an_id_of_its_own() {
    let (front, back) = (boot(&[]), boot(&[]));
    let echo = format!("http://{}/echo", back.address());
    let said = call(front.address(), &echo, "&method=POST&body=hello%20you");
    assert_eq!(said["body"], "hello you");
    let said = call(front.address(), &echo, "&rid=mine");
    assert_eq!(said["upstream_id"], "mine");
    let said = call(front.address(), &echo, "&rid=not%0Apossible");
    assert!(said["error"].is_string(), "{said}");
    let said = call(front.address(), &echo, "&method=NOT%20POSSIBLE");
    assert!(said["error"].is_string(), "{said}");
}

#[test]
fn a_call_is_counted_under_the_names_it_is_given() {
    let (front, back) = (boot(&[]), boot(&[]));
    let url = format!("http://{}/echo", back.address());
    let counted = |labels: &str| {
        let text = metrics(front.admin());
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
fn retries_go_round_the_backends_and_are_one_call() {
    let (front, back) = (boot(&[]), boot(&["--max-concurrency", "1"]));
    // Holds the only slot of `back`, which sheds with 503 from then on.
    let _busy = occupy(&back);
    let well = boot(&[]);
    let backends = format!("&backends=http://{},{}", back.address(), well.address());
    let said = call(
        front.address(),
        "http://shop/echo",
        &format!("{backends}&retries=1"),
    );
    assert_eq!(said["status"], 200, "{said}");
    let text = metrics(front.admin());
    let line = "http_client_requests_total{server_address=\"shop\",url_template=\"echo.view\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("http_client_errors_total{"), "{text}");
    // It is the turn of `back` again, and without a retry its answer stands.
    let said = call(front.address(), "http://shop/echo", &backends);
    assert_eq!(said["status"], 503, "{said}");
    let text = metrics(front.admin());
    let line = "http_client_errors_total{error_code=\"503\",error_type=\"http\",server_address=\"shop\",url_template=\"unknown\"} 1\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn redirects_are_followed_each_hop_a_call_of_its_own() {
    let (front, back) = (boot(&[]), boot(&[]));
    let server = redirector(&format!("http://{}/echo", back.address()));
    let said = call(
        front.address(),
        &format!("http://{server}/start"),
        "&method=POST&body=x",
    );
    assert_eq!(said["status"], 200, "{said}");
    assert_eq!(said["history"], json!([307, 302]));
    let echo: Value = serde_json::from_str(said["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(echo["method"], "GET");
    let text = metrics(front.admin());
    assert!(
        text.contains(
            "http_client_requests_total{server_address=\"127.0.0.1\",url_template=\"unknown\"} 2\n"
        ) && text.contains(
            "http_client_requests_total{server_address=\"127.0.0.1\",url_template=\"echo.view\"} 1\n"
        ),
        "{text}"
    );
    let server = redirector("/start");
    let said = call(front.address(), &format!("http://{server}/start"), "");
    assert_eq!(said["error"], "redirected too often");
}

#[test]
fn a_call_that_fails_says_why_and_is_counted_so() {
    let front = boot(&[]);
    let nobody = nobody();
    let said = call(front.address(), &format!("http://{nobody}/"), "");
    assert!(
        said["error"]
            .as_str()
            .expect("an error")
            .contains("Connection refused"),
        "{said}"
    );
    let said = call(front.address(), "nonsense://:::", "");
    assert!(said["error"].is_string(), "{said}");
    let text = metrics(front.admin());
    let line = "http_client_errors_total{error_code=\"ECONNREFUSED\",error_type=\"connection\",server_address=\"127.0.0.1\",url_template=\"unknown\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert_eq!(Ask::get("/call").of(front.address()).status(), 400);
}
