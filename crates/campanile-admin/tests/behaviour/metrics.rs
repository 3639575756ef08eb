//! Scrapes.

use std::{
    io::Read,
    sync::{Arc, Mutex},
};

use campanile_admin::{Admin, Exposition};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::support::{Answer, ask, send};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn scrape(admin: &Admin, encoding: &str) -> Answer {
    send(admin, ask("GET", "/metrics").header("accept-encoding", encoding)).await
}

fn lines(number: usize) -> String {
    (0..number)
        .map(|line| format!("hits_total{{line=\"{line}\"}} {line}\n"))
        .collect()
}

fn unpacked(answer: &Answer) -> String {
    let mut text = String::new();
    GzDecoder::new(&*answer.bytes)
        .read_to_string(&mut text)
        .expect("it is whole");
    text
}

#[tokio::test]
async fn a_text_is_prometheus_text() {
    let admin = Admin::new().with_metrics(|_: &str| "up 1\n".to_owned());
    for target in [
        "/metrics",
        "/_status/metrics",
        "/_status/metrics/",
        "/metrics?anything",
    ] {
        let answer = send(&admin, ask("GET", target)).await;
        assert_eq!(answer.status(), 200, "{target}");
        assert_eq!(
            answer.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        assert_eq!(answer.header("vary"), "accept, accept-encoding");
        assert_eq!(answer.text(), "up 1\n");
    }
}

#[tokio::test]
async fn the_source_chooses_the_format_by_what_is_accepted() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let admin = Admin::new().with_metrics(move |accept: &str| {
        seen.lock().unwrap().push(accept.to_owned());
        Exposition::text(OPEN_METRICS, "# EOF\n")
    });
    let request = ask("GET", "/metrics")
        .header("accept", "application/openmetrics-text")
        .header("accept", "text/plain;q=0.5");
    let answer = send(&admin, request).await;
    assert_eq!(answer.header("content-type"), OPEN_METRICS);
    send(&admin, ask("GET", "/metrics")).await;
    assert_eq!(
        *asked.lock().unwrap(),
        ["application/openmetrics-text,text/plain;q=0.5", ""]
    );
}

#[tokio::test]
async fn no_text_is_not_found_and_less_than_there_is_is_unavailable() {
    let none = Admin::new().with_metrics(|_: &str| None::<String>);
    assert_eq!(scrape(&none, "").await.status(), 404);

    let failing =
        Admin::new().with_metrics(|_: &str| Err::<String, _>(std::io::Error::other("a file is torn")));
    let answer = scrape(&failing, "").await;
    assert_eq!(
        (answer.status().as_u16(), answer.text()),
        (503, "a file is torn\n")
    );

    let fine = Admin::new().with_metrics(|_: &str| Ok::<_, std::io::Error>(Some("up 1\n".to_owned())));
    assert_eq!(scrape(&fine, "").await.text(), "up 1\n");

    let panicking = Admin::new().with_metrics(|_: &str| -> String { panic!("on purpose") });
    assert_eq!(scrape(&panicking, "").await.status(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_waited_for_ten_seconds() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let admin = Admin::new().with_metrics(move |_: &str| {
        let _ = released.lock().unwrap().recv();
        String::new()
    });
    // Paused time stands still while a blocking thread works: this clock is pushed.
    let answer = tokio::spawn(async move { scrape(&admin, "").await });
    for _ in 0..11 {
        assert!(!answer.is_finished(), "it waits for ten seconds");
        tokio::task::yield_now().await;
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    tokio::task::yield_now().await;
    assert!(answer.is_finished(), "it waits for no longer");
    assert_eq!(answer.await.unwrap().status(), 503);
    drop(release);
}

#[tokio::test]
async fn a_long_text_is_compressed_where_that_is_wanted() {
    let text = lines(50_000);
    let whole = text.clone();
    let admin = Admin::new().with_metrics(move |_: &str| whole.clone());
    let answer = scrape(&admin, "gzip").await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert!(answer.bytes.len() * 4 < text.len(), "{}", answer.bytes.len());
    assert_eq!(unpacked(&answer), text);
    for encoding in ["", "identity", "gzip;q=0", "deflate"] {
        let answer = scrape(&admin, encoding).await;
        assert_eq!(answer.header("content-encoding"), "", "{encoding}");
        assert_eq!(answer.text(), text, "{encoding}");
    }
}

#[tokio::test]
async fn pieces_are_sent_as_they_come() {
    let make = || (0..100).map(|piece| format!("piece_{piece} {}\n", "1".repeat(10_000)));
    let text: String = make().collect();
    let admin = Admin::new().with_metrics(move |_: &str| Exposition::chunks("text/plain", make()));
    assert_eq!(scrape(&admin, "").await.text(), text);
    assert_eq!(unpacked(&scrape(&admin, "gzip").await), text);

    let empty = Admin::new().with_metrics(|_: &str| Exposition::chunks("text/plain", []));
    let answer = scrape(&empty, "gzip").await;
    assert_eq!((answer.status().as_u16(), answer.text()), (200, ""));
}

#[tokio::test]
async fn what_is_short_has_its_length_and_is_not_compressed() {
    let admin = Admin::new().with_metrics(|_: &str| "up 1\n".to_owned());
    let answer = scrape(&admin, "gzip").await;
    assert_eq!((answer.header("content-encoding"), answer.text()), ("", "up 1\n"));
}

#[tokio::test]
async fn an_answer_whose_making_panics_is_cut_and_not_ended() {
    let pieces = || {
        (0..).map(|piece| {
            assert!(piece < 3, "on purpose");
            "up 1\n".to_owned()
        })
    };
    let admin = Admin::new().with_metrics(move |_: &str| Exposition::chunks("text/plain", pieces()));
    let request = ask("GET", "/metrics").body(String::new()).unwrap();
    let response = admin.service().oneshot(request).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}
