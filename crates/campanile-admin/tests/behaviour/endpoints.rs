//! Each endpoint but metrics, probes and the stream.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_admin::{Admin, Request};

use crate::support::{ask, send, send_with};

fn whole() -> Admin {
    Admin::new()
        .with_metrics(|_: &str| "up 1\n".to_owned())
        .with_requests(requests)
        .with_drain(|| ())
        .with_log_level(|| "info".to_owned(), |_| Ok(()))
        .with_config(|| "[server]\n".to_owned())
}

fn requests() -> Vec<Request> {
    vec![
        Request::new("young")
            .with_method("GET")
            .with_route("/a")
            .with_age(Duration::from_millis(1500))
            .with_phase("app"),
        Request::new("old-<b>\"&'")
            .with_method("POST")
            .with_route("/b/{id}")
            .with_age(Duration::from_secs(3))
            .with_phase("calling")
            .with_host("stock"),
    ]
}

#[tokio::test]
async fn every_endpoint_knows_its_methods() {
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
    let admin = whole();
    for (target, allow) in endpoints {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            let answer = send(&admin, ask(method, target)).await;
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {target}");
            assert_eq!(
                answer.header("x-content-type-options"),
                "nosniff",
                "{method} {target}"
            );
            if allow.split(", ").any(|allowed| allowed == method) {
                // No sampler runs here.
                let expected = target == "/live" && method == "GET";
                assert_eq!(answer.status() == 503, expected, "{method} {target}");
                assert_eq!(answer.status().is_success(), !expected, "{method} {target}");
                assert_eq!(answer.header("allow"), "", "{method} {target}");
            } else {
                assert_eq!(answer.status(), 405, "{method} {target}");
                assert_eq!(answer.header("allow"), allow, "{method} {target}");
            }
            if method == "HEAD" {
                assert!(answer.bytes.is_empty(), "{target}");
            }
        }
    }
}

#[tokio::test]
async fn head_tells_what_get_has() {
    let admin = whole();
    for target in ["/metrics", "/readyz", "/requests", "/log-level", "/livez"] {
        let get = send(&admin, ask("GET", target)).await;
        let head = send(&admin, ask("HEAD", target)).await;
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
async fn what_is_not_given_is_not_there() {
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
        let answer = send(&Admin::new(), ask("GET", target)).await;
        assert_eq!(answer.status(), 404, "{target}");
    }
    assert_eq!(send(&Admin::new(), ask("OPTIONS", "*")).await.status(), 404);
}

#[tokio::test]
async fn requests_are_told_the_oldest_first() {
    let answer = send(&whole(), ask("GET", "/requests")).await;
    assert_eq!(answer.header("content-type"), "application/json");
    let json = answer.json();
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
async fn requests_are_chosen_by_id_and_number() {
    for (query, total, ids) in [
        ("id=youn", 1, vec!["young"]),
        ("id=%6fung", 1, vec!["young"]),
        ("id=nobody", 0, vec![]),
        ("id=o&limit=1", 2, vec!["old-<b>\"&'"]),
        ("limit=0", 2, vec![]),
    ] {
        let answer = send(&whole(), ask("GET", &format!("/requests?{query}"))).await;
        let json = answer.json();
        let rows = json["requests"].as_array().unwrap();
        let found: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!((json["total"].as_u64(), found), (Some(total), ids), "{query}");
    }
    for query in ["limit=all", "limit=-1", "limit="] {
        let answer = send(&whole(), ask("GET", &format!("/requests?{query}"))).await;
        assert_eq!(answer.status(), 400, "{query}");
    }
}

#[tokio::test]
async fn a_browser_gets_a_table_that_carries_no_markup_of_others() {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let answer = send(&whole(), ask("GET", "/requests").header("accept", browser)).await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    let html = answer.text();
    assert!(
        html.contains("<td>old-&lt;b&gt;&quot;&amp;&#39;<td>POST<td>/b/{id}<td>3.000"),
        "{html}"
    );
    assert!(html.find("old-").unwrap() < html.find("young").unwrap());
    assert!(!html.contains("<b>"), "{html}");
}

#[tokio::test]
async fn the_filter_of_the_log_is_read_and_written() {
    let filter = Arc::new(Mutex::new("info".to_owned()));
    let (read, write) = (Arc::clone(&filter), filter);
    let admin = Admin::new().with_log_level(
        move || read.lock().unwrap().clone(),
        move |filter| {
            if filter.contains("=") {
                *write.lock().unwrap() = filter.to_owned();
                Ok(())
            } else {
                Err(format!("{filter:?} is no filter"))
            }
        },
    );
    assert_eq!(send(&admin, ask("GET", "/log-level")).await.text(), "info\n");

    let put = async |body: &str| send_with(&admin, ask("PUT", "/log-level"), body.to_owned()).await;
    let answer = put(" app=debug\n").await;
    assert_eq!((answer.status().as_u16(), answer.text()), (204, ""));
    assert_eq!(send(&admin, ask("GET", "/log-level")).await.text(), "app=debug\n");

    let answer = put("nonsense").await;
    assert_eq!(
        (answer.status().as_u16(), answer.text()),
        (400, "\"nonsense\" is no filter\n")
    );
    assert_eq!(put(&"a=b,".repeat(10_000)).await.status(), 413);
    assert_eq!(send(&admin, ask("GET", "/log-level")).await.text(), "app=debug\n");
}

#[tokio::test]
async fn a_drain_is_started_as_often_as_it_is_asked_for() {
    let asked = Arc::new(AtomicUsize::new(0));
    let drain = Arc::clone(&asked);
    let admin = Admin::new().with_drain(move || drain.fetch_add(1, Ordering::Relaxed));
    for _ in 0..2 {
        assert_eq!(send(&admin, ask("POST", "/drain")).await.status(), 202);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_drain_on_a_shared_port_needs_the_right_pid() {
    let asked = Arc::new(AtomicUsize::new(0));
    let drain = Arc::clone(&asked);
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
            send(admin, ask("POST", target)).await.status(),
            status,
            "{target}"
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let answer = send(&shared, ask("POST", "/drain")).await;
    assert!(
        answer.text().contains(&std::process::id().to_string()),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn the_configuration_is_text() {
    let answer = send(&whole(), ask("GET", "/_status/info/config")).await;
    assert_eq!(answer.text(), "[server]\n");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn the_page_runs_its_own_script_and_nothing_else() {
    let one = send(&whole(), ask("GET", "/")).await;
    let other = send(&whole(), ask("GET", "/")).await;
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
    // Such a policy ignores attributes with styles and scripts, and the page has nothing from elsewhere.
    for absent in [" style=", " onclick=", " onload=", "src=", "@import", "https://"] {
        assert!(!page.contains(absent), "{absent}");
    }
}
