//! Endpoints other than metrics, probes and the event stream.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_admin::{Admin, CheckResult, RequestRow, ServiceStatus};

use crate::support::{local_request, send, send_with};

fn full_admin() -> Admin {
    Admin::new()
        .with_metrics(|_: &str| "up 1\n".to_owned())
        .with_requests(requests)
        .with_drain(|| ())
        .with_log_level(|| "info".to_owned(), |_| Ok(()))
        .with_config(|| "[server]\n".to_owned())
}

fn requests() -> Vec<RequestRow> {
    vec![
        RequestRow::new("young")
            .with_method("GET")
            .with_route("/a")
            .with_age(Duration::from_millis(1500))
            .with_phase("app"),
        RequestRow::new("old-<b>\"&'")
            .with_method("POST")
            .with_route("/b/{id}")
            .with_age(Duration::from_secs(3))
            .with_phase("calling")
            .with_host("stock"),
    ]
}

#[tokio::test]
async fn other_methods_get_405_with_allow() {
    let endpoints = [
        ("/", "GET, HEAD"),
        ("/live", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/health", "GET, HEAD"),
        ("/health?type=liveness", "GET, HEAD"),
        ("/_status/ping", "GET, HEAD"),
        ("/_status/check/", "GET, HEAD"),
        ("/_status/metrics", "GET, HEAD"),
        ("/_status/info/config", "GET, HEAD"),
        ("/requests", "GET, HEAD"),
        ("/log-level", "GET, HEAD, PUT"),
        ("/drain", "POST"),
    ];
    let admin = full_admin();
    for (target, allow) in endpoints {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            let response = send_with(&admin, local_request(method, target), "info".to_owned()).await;
            assert_eq!(response.header("cache-control"), "no-store", "{method} {target}");
            assert_eq!(
                response.header("x-content-type-options"),
                "nosniff",
                "{method} {target}"
            );
            if allow.split(", ").any(|allowed| allowed == method) {
                // No sampler is running.
                let expected = target == "/live";
                assert_eq!(response.status() == 503, expected, "{method} {target}");
                assert_eq!(response.status().is_success(), !expected, "{method} {target}");
                assert_eq!(response.header("allow"), "", "{method} {target}");
            } else {
                assert_eq!(response.status(), 405, "{method} {target}");
                assert_eq!(response.header("allow"), allow, "{method} {target}");
            }
            if method == "HEAD" {
                assert!(response.bytes.is_empty(), "{target}");
            }
        }
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let admin = full_admin();
    for target in [
        "/metrics",
        "/readyz",
        "/requests",
        "/log-level",
        "/livez",
        "/live",
    ] {
        let get = send(&admin, local_request("GET", target)).await;
        let head = send(&admin, local_request("HEAD", target)).await;
        assert_eq!(head.status(), get.status(), "{target}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{target}"
        );
        assert_eq!(
            head.header("content-length"),
            get.bytes.len().to_string(),
            "{target}"
        );
    }
}

#[tokio::test]
async fn endpoints_without_callback_are_404() {
    for target in [
        "/metrics",
        "/_status/metrics",
        "/requests",
        "/log-level",
        "/drain",
        "/_status/info/config",
        "/nothing",
        "/livez/",
        "/METRICS",
        "/_status",
        "/_status/",
        "/_status/ping//",
        "/_status/info",
        "/../metrics",
        "//",
        "/%6c%69vez",
    ] {
        let response = send(&Admin::new(), local_request("GET", target)).await;
        assert_eq!(response.status(), 404, "{target}");
    }
    assert_eq!(
        send(&Admin::new(), local_request("OPTIONS", "*")).await.status(),
        404
    );
}

#[tokio::test]
async fn requests_are_listed_oldest_first() {
    let response = send(&full_admin(), local_request("GET", "/requests")).await;
    assert_eq!(response.header("content-type"), "application/json");
    let json = response.json();
    assert_eq!(json["pid"], std::process::id());
    assert_eq!(json["total"], 2);
    let old = serde_json::json!({
        "id": "old-<b>\"&'", "method": "POST", "route": "/b/{id}", "age_seconds": 3.0,
        "phase": "calling", "host": "stock",
    });
    assert_eq!(json["requests"][0], old);
    assert_eq!(json["requests"][1]["age_seconds"], 1.5);
    assert_eq!(json["requests"][1]["host"], serde_json::Value::Null);
}

#[tokio::test]
async fn requests_are_filtered_by_id_and_limit() {
    for (query, total, ids) in [
        ("id=youn", 1, vec!["young"]),
        ("id=%6fung", 1, vec!["young"]),
        ("id=none", 0, vec![]),
        ("id=o&limit=1", 2, vec!["old-<b>\"&'"]),
        ("limit=0", 2, vec![]),
    ] {
        let response = send(&full_admin(), local_request("GET", &format!("/requests?{query}"))).await;
        let json = response.json();
        let rows = json["requests"].as_array().unwrap();
        let found: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!((json["total"].as_u64(), found), (Some(total), ids), "{query}");
    }
    for query in ["limit=all", "limit=-1", "limit="] {
        let response = send(&full_admin(), local_request("GET", &format!("/requests?{query}"))).await;
        assert_eq!(response.status(), 400, "{query}");
    }
}

#[tokio::test]
async fn html_table_escapes_request_data() {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let response = send(
        &full_admin(),
        local_request("GET", "/requests").header("accept", browser),
    )
    .await;
    assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
    assert!(
        response
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    let html = response.text();
    assert!(
        html.contains("<td>old-&lt;b&gt;&quot;&amp;&#39;<td>POST<td>/b/{id}<td>3.000"),
        "{html}"
    );
    assert!(html.find("old-").unwrap() < html.find("young").unwrap());
    assert!(!html.contains("<b>"), "{html}");
}

#[tokio::test]
async fn log_level_is_read_and_written() {
    let filter = Arc::new(Mutex::new("info".to_owned()));
    let (read, write) = (Arc::clone(&filter), filter);
    let admin = Admin::new().with_log_level(
        move || read.lock().unwrap().clone(),
        move |filter| {
            if filter.contains("=") {
                *write.lock().unwrap() = filter.to_owned();
                Ok(())
            } else {
                Err(format!("{filter:?} is not a filter"))
            }
        },
    );
    assert_eq!(
        send(&admin, local_request("GET", "/log-level")).await.text(),
        "info\n"
    );

    let put = async |body: &str| send_with(&admin, local_request("PUT", "/log-level"), body.to_owned()).await;
    let response = put(" app=debug\n").await;
    assert_eq!((response.status().as_u16(), response.text()), (204, ""));
    assert_eq!(
        send(&admin, local_request("GET", "/log-level")).await.text(),
        "app=debug\n"
    );

    for empty in ["", " \n"] {
        let response = put(empty).await;
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (400, "the filter is empty\n")
        );
    }
    let response = put("nonsense").await;
    assert_eq!(
        (response.status().as_u16(), response.text()),
        (400, "\"nonsense\" is not a filter\n")
    );
    assert_eq!(put(&"a=b,".repeat(10_000)).await.status(), 413);
    assert_eq!(
        send(&admin, local_request("GET", "/log-level")).await.text(),
        "app=debug\n"
    );
}

#[tokio::test]
async fn every_post_calls_the_drain_callback() {
    let calls = Arc::new(AtomicUsize::new(0));
    let drain = Arc::clone(&calls);
    let admin = Admin::new().with_drain(move || drain.fetch_add(1, Ordering::Relaxed));
    for _ in 0..2 {
        assert_eq!(send(&admin, local_request("POST", "/drain")).await.status(), 202);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn drain_on_a_shared_port_needs_the_right_pid() {
    let calls = Arc::new(AtomicUsize::new(0));
    let drain = Arc::clone(&calls);
    let alone = Admin::new().with_drain(move || drain.fetch_add(1, Ordering::Relaxed));
    let shared = alone.clone().with_shared_port(true);
    let own = format!("/drain?pid={}", std::process::id());
    for (admin, target, status) in [
        (&shared, "/drain", 409),
        (&shared, "/drain?pid=1", 409),
        (&shared, "/drain?pid=", 409),
        (&shared, own.as_str(), 202),
        (&alone, "/drain?pid=1", 409),
        (&alone, own.as_str(), 202),
    ] {
        assert_eq!(
            send(admin, local_request("POST", target)).await.status(),
            status,
            "{target}"
        );
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let response = send(&shared, local_request("POST", "/drain")).await;
    assert!(
        response.text().contains(&std::process::id().to_string()),
        "{}",
        response.text()
    );
}

#[tokio::test]
async fn config_is_plain_text() {
    let response = send(&full_admin(), local_request("GET", "/_status/info/config")).await;
    assert_eq!(response.text(), "[server]\n");
    assert_eq!(response.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn page_policy_allows_only_its_own_script() {
    let one = send(&full_admin(), local_request("GET", "/")).await;
    let other = send(&full_admin(), local_request("GET", "/")).await;
    assert_eq!(one.header("content-type"), "text/html; charset=utf-8");
    let nonce = |policy: &str| {
        let (_, nonce) = policy.split_once("script-src 'nonce-").unwrap();
        nonce.split_once('\'').unwrap().0.to_owned()
    };
    let policy = one.header("content-security-policy");
    let drawn = nonce(policy);
    assert_eq!(drawn.len(), 32);
    assert_ne!(drawn, nonce(other.header("content-security-policy")));
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let page = one.text();
    assert_eq!(page.matches(&format!("nonce=\"{drawn}\"")).count(), 2);
    assert!(!page.contains("{nonce}"));
    // The policy blocks inline attributes, and the page loads no external resources.
    for absent in [" style=", " onclick=", " onload=", "src=", "@import", "https://"] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[tokio::test]
async fn a_callback_that_panics_is_a_500_and_liveness_stays() {
    let admin = Admin::new()
        .with_status(|| -> ServiceStatus { panic!("expected by the test") })
        .with_checks(|| -> std::future::Ready<Vec<CheckResult>> { panic!("expected by the test") })
        .with_requests(|| panic!("expected by the test"))
        .with_config(|| panic!("expected by the test"))
        .with_drain(|| -> () { panic!("expected by the test") })
        .with_log_level(
            || panic!("expected by the test"),
            |_: &str| -> Result<(), String> { panic!("expected by the test") },
        );
    for (method, target) in [
        ("GET", "/readyz"),
        ("GET", "/_status/info/config"),
        ("GET", "/log-level"),
        ("GET", "/requests"),
        ("POST", "/drain"),
    ] {
        let response = send(&admin, local_request(method, target)).await;
        assert_eq!(response.status(), 500, "{target}");
        assert!(
            response.text().contains("panicked"),
            "{target}: {}",
            response.text()
        );
        assert_eq!(response.header("cache-control"), "no-store", "{target}");
    }
    let response = send_with(&admin, local_request("PUT", "/log-level"), "debug".to_owned()).await;
    assert_eq!(response.status(), 500);
    assert_eq!(send(&admin, local_request("GET", "/livez")).await.status(), 200);
}
