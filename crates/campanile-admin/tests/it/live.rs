//! The event stream of the live page.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile_admin::{Admin, Body, RequestRow, ServicePhase, ServiceStatus};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{local_request, send};

/// A metrics text set by the test.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<String>>);

impl Text {
    fn set(&self, text: impl Into<String>) {
        *self.0.lock().expect("not poisoned") = text.into();
    }

    fn admin(&self) -> Admin {
        let text = self.clone();
        Admin::new().with_metrics(move |_: &str| text.0.lock().expect("not poisoned").clone())
    }
}

fn served(status: &str, number: u32) -> String {
    format!("http_server_requests_total{{http_response_status_code=\"{status}\"}} {number}\n")
}

/// An open page.
struct Page {
    body: Body,
    unread: String,
}

impl Page {
    async fn open(admin: &Admin) -> Self {
        let request = local_request("GET", "/live")
            .body(String::new())
            .expect("a request");
        let Ok(response) = admin.service().oneshot(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self {
            body: response.into_body(),
            unread: String::new(),
        }
    }

    /// Returns the next event of this kind, or `None` at the end of the stream.
    async fn event(&mut self, kind: &str) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.unread = rest;
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                if field("event: ") == Some(kind) {
                    return Some(
                        serde_json::from_str(field("data: ").expect("an event has data"))
                            .expect("data is JSON"),
                    );
                }
            }
            let frame = self.body.frame().await?;
            let data = frame.expect("no body error").into_data().expect("no trailers");
            self.unread
                .push_str(str::from_utf8(&data).expect("data is UTF-8"));
        }
    }

    async fn sample(&mut self) -> Value {
        self.event("sample").await.expect("stream is open")
    }
}

/// Runs the sampler and waits for its first sample.
async fn sampled(admin: &Admin) -> tokio::task::JoinHandle<()> {
    let sampler = tokio::spawn(admin.sampler().run());
    tokio::time::sleep(Duration::from_millis(500)).await;
    sampler
}

#[tokio::test(start_paused = true)]
async fn page_receives_the_history_then_a_sample_a_second() {
    let text = Text::default();
    let admin = text.admin().with_service_name("stock \"1\"").with_version("1.2");
    text.set(served("200", 10));
    let _sampler = sampled(&admin).await;
    text.set(served("200", 30));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut page = Page::open(&admin).await;
    let history = page.event("history").await.unwrap();
    assert_eq!(history["length"], 300);
    assert_eq!(history["service"], "stock \"1\"");
    assert_eq!(history["version"], "1.2");
    assert_eq!(history["pid"], std::process::id());
    let samples = history["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 2);
    // A rate needs two readings.
    assert_eq!(samples[0]["requests"], Value::Null);
    assert_eq!(samples[1]["requests"], 20.0);
    assert_eq!(samples[1]["codes"], json!({"200": 20.0}));

    text.set(served("200", 35) + &served("503", 2));
    let sample = page.sample().await;
    assert_eq!(sample["requests"], 7.0);
    assert_eq!(sample["codes"], json!({"200": 5.0, "503": 2.0}));
    let sample = page.sample().await;
    assert_eq!(sample["requests"], 0.0);
    assert_eq!(sample["codes"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn history_is_five_minutes_by_default() {
    let text = Text::default();
    let admin = text.admin();
    let _sampler = sampled(&admin).await;
    for second in 1..=310 {
        text.set(served("200", second * second));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let history = Page::open(&admin).await.event("history").await.unwrap();
    let samples = history["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 300);
    assert_eq!(samples[299]["requests"], 619.0);
    assert_eq!(samples[0]["requests"], 21.0);
}

#[tokio::test(start_paused = true)]
async fn history_length_is_configurable_and_clamped() {
    let text = Text::default();
    for (seconds, kept) in [(20, 20), (0, 2), (u64::MAX, 3600)] {
        let admin = text.admin().with_history(Duration::from_secs(seconds));
        let _sampler = sampled(&admin).await;
        tokio::time::sleep(Duration::from_secs(seconds.min(3600) + 10)).await;
        let history = Page::open(&admin).await.event("history").await.unwrap();
        assert_eq!(history["length"], kept);
        assert_eq!(history["samples"].as_array().unwrap().len(), kept);
    }
}

#[tokio::test(start_paused = true)]
async fn sample_has_all_values_of_the_page() {
    let text = Text::default();
    let left = Some(Duration::from_millis(2500));
    let admin = text
        .admin()
        .with_status(move || ServiceStatus::new(ServicePhase::Draining).with_time_left(left));
    let _sampler = sampled(&admin).await;
    let mut page = Page::open(&admin).await;
    text.set(
        "http_server_request_duration_seconds_bucket{le=\"0.1\"} 90
http_server_request_duration_seconds_bucket{le=\"0.2\"} 100
http_server_request_duration_seconds_bucket{le=\"+Inf\"} 100
http_server_active_requests{http_route=\"/a\"} 3
http_server_active_requests{http_route=\"/b\"} 4
http_server_concurrency_limit{limit=\"main\"} 16
http_server_shed_requests_total{limit=\"main\"} 5
http_server_open_connections{listener=\"127.0.0.1:8080\"} 9
http_server_connection_limit{listener=\"127.0.0.1:8080\"} 100
listener_backlog_pending{listener=\"127.0.0.1:8080\"} 2
listener_backlog_limit{listener=\"127.0.0.1:8080\"} 1024
listener_backlog_overflows_total{listener=\"127.0.0.1:8080\"} 6
http_client_requests_total{server_address=\"stock\"} 8
http_client_errors_total{server_address=\"stock\",error_type=\"http\"} 1
http_client_active_requests{server_address=\"stock\"} 2
http_client_requests_total{server_address=\"idle\"} 0
",
    );
    let mut sample = page.sample().await;
    assert!(sample["time"].as_u64().unwrap() > 1_700_000_000);
    sample["time"] = Value::Null;
    assert_eq!(
        sample,
        json!({
            "time": null, "requests": 0.0, "codes": {}, "latency": [0.055556, 0.15, 0.19],
            "in_flight": 7.0, "concurrency_limit": 16.0, "shed": 5.0, "connections": 9.0, "connection_limit": 100.0,
            "listeners": [{"listener": "127.0.0.1:8080", "pending": 2.0, "limit": 1024.0, "overflows": 6.0}],
            "calls": [{"host": "stock", "requests": 8.0, "errors": 1.0, "in_flight": 2.0}],
            "phase": "draining", "seconds_left": 2.5,
        })
    );
    // A second without observations has no quantiles.
    assert_eq!(page.sample().await["latency"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn counters_that_fell_are_a_reset() {
    let text = Text::default();
    let admin = text.admin();
    text.set(served("200", 1000));
    let _sampler = sampled(&admin).await;
    let mut page = Page::open(&admin).await;
    text.set(served("200", 7));
    let sample = page.sample().await;
    assert_eq!(
        (&sample["requests"], &sample["codes"]),
        (&json!(7.0), &json!({"200": 7.0}))
    );
    text.set(served("200", 9));
    assert_eq!(page.sample().await["requests"], 2.0);
}

#[tokio::test(start_paused = true)]
async fn phase_comes_from_the_metrics_without_a_status_callback() {
    let text = Text::default();
    text.set("lifecycle_phase{phase=\"ready\"} 0\nlifecycle_phase{phase=\"stopping\"} 1\n");
    let admin = text.admin();
    let _sampler = sampled(&admin).await;
    let sample = Page::open(&admin).await.sample().await;
    assert_eq!(sample["phase"], "stopping");
}

#[tokio::test(start_paused = true)]
async fn page_works_without_metrics() {
    let admin = Admin::new().with_metrics(|_: &str| None::<String>);
    let sampler = sampled(&admin).await;
    let sample = Page::open(&admin).await.sample().await;
    assert_eq!(
        (&sample["requests"], &sample["in_flight"]),
        (&Value::Null, &Value::Null)
    );
    // The page can have a text of its own.
    sampler.abort();
    let admin = admin.with_live_metrics(|| "http_server_active_requests 3\n".to_owned());
    let _sampler = sampled(&admin).await;
    assert_eq!(Page::open(&admin).await.sample().await["in_flight"], 3.0);
}

#[tokio::test(start_paused = true)]
async fn sampling_continues_after_a_panic() {
    let turn = AtomicUsize::new(0);
    let admin = Admin::new().with_live_metrics(move || {
        assert_ne!(turn.fetch_add(1, Ordering::Relaxed), 1, "on purpose");
        served("200", 5)
    });
    let _sampler = sampled(&admin).await;
    let mut page = Page::open(&admin).await;
    assert_eq!(page.sample().await["requests"], Value::Null);
    assert_eq!(page.sample().await["requests"], 0.0);
}

#[tokio::test(start_paused = true)]
async fn requests_are_sent_only_while_a_page_is_open() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let admin = Admin::new().with_requests(move || {
        seen.fetch_add(1, Ordering::Relaxed);
        (0..250)
            .map(|age| RequestRow::new(format!("id-{age}")).with_age(Duration::from_secs(age)))
            .collect()
    });
    let _sampler = sampled(&admin).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(calls.load(Ordering::Relaxed), 0, "no page is open");

    let mut page = Page::open(&admin).await;
    let requests = page.event("requests").await.unwrap();
    assert_eq!(requests["total"], 250);
    let rows = requests["requests"].as_array().unwrap();
    assert_eq!(rows.len(), 100);
    assert_eq!(rows[0]["id"], "id-249");

    drop(page);
    let so_far = calls.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(calls.load(Ordering::Relaxed) <= so_far + 1, "the page is closed");
}

#[tokio::test(start_paused = true)]
async fn page_that_does_not_read_is_dropped() {
    let text = Text::default();
    let admin = text.admin();
    let _sampler = sampled(&admin).await;
    let mut idle = Page::open(&admin).await;
    let mut reading = Page::open(&admin).await;
    for _ in 0..30 {
        reading.sample().await;
    }
    let mut read = 0;
    while idle.event("sample").await.is_some() {
        read += 1;
        assert!(read < 10, "its queue is unbounded");
    }
    reading.sample().await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_the_page_with_the_most_unread_events_is_closed() {
    let admin = Text::default().admin();
    let _sampler = sampled(&admin).await;
    let mut pages = Vec::new();
    for _ in 0..100 {
        pages.push(Page::open(&admin).await);
    }
    for _ in 0..3 {
        for (index, page) in pages.iter_mut().enumerate() {
            if index != 42 {
                page.sample().await;
            }
        }
    }
    let mut further = Page::open(&admin).await;
    further.sample().await;
    for (index, mut page) in pages.into_iter().enumerate() {
        let ended = async { while page.event("sample").await.is_some() {} };
        let ended = tokio::time::timeout(Duration::from_millis(1), ended)
            .await
            .is_ok();
        assert_eq!(ended, index == 42, "page {index}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_too_long_is_refused_and_the_page_says_so() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&pulled);
    let endless = move |_: &str| {
        let seen = Arc::clone(&seen);
        let chunk = move || {
            seen.fetch_add(1, Ordering::Relaxed);
            served("200", 1).repeat(1000)
        };
        campanile_admin::Exposition::from_chunks("text/plain", std::iter::repeat_with(chunk))
    };
    let admin = Admin::new().with_metrics(endless).with_live_limit(1_000_000);
    let _sampler = sampled(&admin).await;
    let sample = Page::open(&admin).await.sample().await;
    assert_eq!(sample["requests"], Value::Null);
    let notice = sample["notice"].as_str().expect("a notice");
    assert!(notice.contains("longer than 1000000 bytes"), "{notice}");
    assert!(pulled.load(Ordering::Relaxed) < 100, "it stops at the limit");
}

#[tokio::test(start_paused = true)]
async fn a_million_series_and_long_names_yield_a_short_sample() {
    let mut text: String = (0..20_000)
        .map(|host| format!("http_client_active_requests{{server_address=\"h{host}\"}} 1\n"))
        .collect();
    text += &format!(
        "http_client_active_requests{{server_address=\"{}\"}} 1\n",
        "a".repeat(1 << 20)
    );
    text += "http_server_active_requests 3\n";
    let admin = Admin::new().with_live_metrics(move || text.clone());
    let _sampler = sampled(&admin).await;
    let sample = Page::open(&admin).await.sample().await;
    assert_eq!(sample["in_flight"], 3.0);
    assert!(
        sample.to_string().len() < 64 * 1024,
        "{}",
        sample.to_string().len()
    );
}

#[tokio::test]
async fn samples_that_cost_much_are_taken_less_often() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let admin = Admin::new().with_live_metrics(move || {
        seen.fetch_add(1, Ordering::Relaxed);
        let start = std::time::Instant::now();
        let mut number = 0_u64;
        while start.elapsed() < Duration::from_millis(400) {
            number = std::hint::black_box(number + 1);
        }
        String::new()
    });
    let _sampler = tokio::spawn(admin.sampler().run());
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(
        calls.load(Ordering::Relaxed),
        1,
        "a hundredth of a core without pages"
    );
    let mut page = Page::open(&admin).await;
    let sample = page.sample().await;
    let notice = sample["notice"].as_str().expect("a notice");
    assert!(notice.contains("processor time"), "{notice}");
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_sampler() {
    let admin = Text::default().admin();
    assert_eq!(send(&admin, local_request("GET", "/live")).await.status(), 503);
    let sampler = sampled(&admin).await;
    let mut page = Page::open(&admin).await;
    sampler.abort();
    let ended = async { while page.event("sample").await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .expect("the stream ends");
    assert_eq!(send(&admin, local_request("GET", "/live")).await.status(), 503);
}
