//! `/metrics`.

use std::{
    io::Read,
    sync::{Arc, Mutex},
};

use campanile_admin::{Admin, Exposition};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::support::{FullResponse, local_request, send};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn scrape(admin: &Admin, encoding: &str) -> FullResponse {
    send(
        admin,
        local_request("GET", "/metrics").header("accept-encoding", encoding),
    )
    .await
}

fn lines(number: usize) -> String {
    (0..number)
        .map(|line| format!("hits_total{{line=\"{line}\"}} {line}\n"))
        .collect()
}

fn gunzip(response: &FullResponse) -> String {
    let mut text = String::new();
    GzDecoder::new(&*response.bytes)
        .read_to_string(&mut text)
        .expect("valid gzip");
    text
}

#[tokio::test]
async fn string_is_sent_as_prometheus_text() {
    let admin = Admin::new().with_metrics(|_: &str| "up 1\n".to_owned());
    for target in [
        "/metrics",
        "/_status/metrics",
        "/_status/metrics/",
        "/metrics?anything",
    ] {
        let response = send(&admin, local_request("GET", target)).await;
        assert_eq!(response.status(), 200, "{target}");
        assert_eq!(
            response.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        assert_eq!(response.header("vary"), "accept, accept-encoding");
        assert_eq!(response.text(), "up 1\n");
    }
}

#[tokio::test]
async fn callback_chooses_the_format_by_accept() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let admin = Admin::new().with_metrics(move |accept: &str| {
        seen.lock().unwrap().push(accept.to_owned());
        Exposition::from_text(OPEN_METRICS, "# EOF\n")
    });
    let request = local_request("GET", "/metrics")
        .header("accept", "application/openmetrics-text")
        .header("accept", "text/plain;q=0.5");
    let response = send(&admin, request).await;
    assert_eq!(response.header("content-type"), OPEN_METRICS);
    send(&admin, local_request("GET", "/metrics")).await;
    assert_eq!(
        *calls.lock().unwrap(),
        ["application/openmetrics-text,text/plain;q=0.5", ""]
    );
}

#[tokio::test]
async fn no_text_is_404_and_an_error_is_503() {
    let none = Admin::new().with_metrics(|_: &str| None::<String>);
    assert_eq!(scrape(&none, "").await.status(), 404);

    let failing =
        Admin::new().with_metrics(|_: &str| Err::<String, _>(std::io::Error::other("a file is truncated")));
    let response = scrape(&failing, "").await;
    assert_eq!(
        (response.status().as_u16(), response.text()),
        (503, "a file is truncated\n")
    );

    let fine = Admin::new().with_metrics(|_: &str| Ok::<_, std::io::Error>(Some("up 1\n".to_owned())));
    assert_eq!(scrape(&fine, "").await.text(), "up 1\n");

    let panicking = Admin::new().with_metrics(|_: &str| -> String { panic!("on purpose") });
    assert_eq!(scrape(&panicking, "").await.status(), 500);
}

#[tokio::test(start_paused = true)]
async fn callback_that_hangs_times_out_after_ten_seconds() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let admin = Admin::new().with_metrics(move |_: &str| {
        let _ = released.lock().unwrap().recv();
        String::new()
    });
    // Paused time does not advance by itself while a blocking thread works.
    let response = tokio::spawn(async move { scrape(&admin, "").await });
    for _ in 0..11 {
        assert!(!response.is_finished(), "timed out early");
        tokio::task::yield_now().await;
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    tokio::task::yield_now().await;
    assert!(response.is_finished(), "did not time out");
    assert_eq!(response.await.unwrap().status(), 503);
    drop(release);
}

#[tokio::test]
async fn long_text_is_compressed_if_accepted() {
    let text = lines(50_000);
    let rendered = text.clone();
    let admin = Admin::new().with_metrics(move |_: &str| rendered.clone());
    let response = scrape(&admin, "gzip").await;
    assert_eq!(response.header("content-encoding"), "gzip");
    assert!(response.bytes.len() * 4 < text.len(), "{}", response.bytes.len());
    assert_eq!(gunzip(&response), text);
    for encoding in ["", "identity", "gzip;q=0", "deflate"] {
        let response = scrape(&admin, encoding).await;
        assert_eq!(response.header("content-encoding"), "", "{encoding}");
        assert_eq!(response.text(), text, "{encoding}");
    }
}

#[tokio::test]
async fn chunks_are_streamed() {
    let make = || (0..100).map(|chunk| format!("chunk_{chunk} {}\n", "1".repeat(10_000)));
    let text: String = make().collect();
    let admin = Admin::new().with_metrics(move |_: &str| Exposition::from_chunks("text/plain", make()));
    assert_eq!(scrape(&admin, "").await.text(), text);
    assert_eq!(gunzip(&scrape(&admin, "gzip").await), text);

    let empty = Admin::new().with_metrics(|_: &str| Exposition::from_chunks("text/plain", []));
    let response = scrape(&empty, "gzip").await;
    assert_eq!((response.status().as_u16(), response.text()), (200, ""));
}

#[tokio::test]
async fn short_text_is_not_compressed() {
    let admin = Admin::new().with_metrics(|_: &str| "up 1\n".to_owned());
    let response = scrape(&admin, "gzip").await;
    assert_eq!(
        (response.header("content-encoding"), response.text()),
        ("", "up 1\n")
    );
}

#[tokio::test]
async fn panic_while_streaming_is_a_500_or_a_body_error() {
    let admin = |good: usize| {
        let chunks = move || {
            (0..).map(move |chunk| {
                assert!(chunk < good, "on purpose");
                "up 1\n".repeat(200_000)
            })
        };
        Admin::new().with_metrics(move |_: &str| Exposition::from_chunks("text/plain", chunks()))
    };
    let get = || local_request("GET", "/metrics").body(String::new()).unwrap();
    let response = admin(3).service().oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 500);
    // Too long to be shared, so that it is streamed.
    let response = admin(30).service().oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn long_text_is_streamed_whole() {
    let make = || (0..20).map(|chunk| format!("chunk_{chunk} {}\n", "1".repeat(1_000_000)));
    let text: String = make().collect();
    let admin = Admin::new().with_metrics(move |_: &str| Exposition::from_chunks("text/plain", make()));
    assert_eq!(scrape(&admin, "").await.text(), text);
    assert_eq!(gunzip(&scrape(&admin, "gzip").await), text);
}

#[tokio::test]
async fn unfinished_responses_share_a_text_and_are_limited() {
    let calls = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&calls);
    let admin = Admin::new().with_metrics(move |_: &str| {
        let mut calls = seen.lock().unwrap();
        *calls += 1;
        format!("calls {calls}\n").repeat(100_000)
    });
    let open = async |encoding: &str| {
        let request = local_request("GET", "/metrics").header("accept-encoding", encoding);
        admin
            .service()
            .oneshot(request.body(String::new()).unwrap())
            .await
            .unwrap()
    };
    let mut unfinished = Vec::new();
    for encoding in ["", "gzip", "", "gzip", "", "gzip", "", "gzip"] {
        let response = open(encoding).await;
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("content-encoding") == (encoding == "gzip"));
        unfinished.push(response);
    }
    assert_eq!(*calls.lock().unwrap(), 1, "they share one text");
    let refused = open("").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    for response in unfinished {
        let compressed = response.headers().contains_key("content-encoding");
        let read = crate::support::read(response).await;
        let text = if compressed {
            gunzip(&read)
        } else {
            read.text().to_owned()
        };
        assert!(text.starts_with("calls 1\n"));
        assert_eq!(text.len(), 800_000);
    }
    // A text is current once the earlier responses are finished.
    assert!(scrape(&admin, "").await.text().starts_with("calls 2\n"));
    assert_eq!(
        scrape(&admin, "").await.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
}
