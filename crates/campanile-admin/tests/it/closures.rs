//! Callbacks that block, panic, never complete or call back.

use std::{
    future::poll_fn,
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    time::Duration,
};

use campanile_admin::{Admin, CheckResult, RequestRow, ServicePhase, ServiceStatus};

use crate::support::{Port, get, local_request, read_until, send};

/// Blocks each caller until it is dropped, and counts them.
struct Block {
    calls: Arc<AtomicUsize>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
    _release: mpsc::Sender<()>,
}

impl Block {
    fn new() -> Self {
        let (release, released) = mpsc::channel();
        Self {
            calls: Arc::default(),
            released: Arc::new(Mutex::new(released)),
            _release: release,
        }
    }

    fn closure(&self) -> impl Fn() + Clone + Send + Sync + 'static {
        let (calls, released) = (Arc::clone(&self.calls), Arc::clone(&self.released));
        move || {
            calls.fetch_add(1, Ordering::SeqCst);
            let _ = released.lock().expect("not poisoned").recv();
        }
    }
}

fn put(target: &str) -> String {
    format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\ninfo")
}

#[test]
fn a_callback_that_blocks_delays_its_own_endpoint_only() {
    let block = Block::new();
    let [status, metrics, requests, config, drain, read, write] = [(); 7].map(|()| block.closure());
    let check = block.closure();
    let port = Port::start(
        Admin::new()
            .with_callback_timeout(Duration::from_millis(300))
            .with_status(move || {
                status();
                ServicePhase::Ready
            })
            .with_metrics(move |_: &str| {
                metrics();
                String::new()
            })
            .with_checks(move || {
                let check = check.clone();
                async move {
                    check();
                    Vec::new()
                }
            })
            .with_requests(move || {
                requests();
                Vec::new()
            })
            .with_config(move || {
                config();
                String::new()
            })
            .with_log_level(
                move || {
                    read();
                    String::new()
                },
                move |_| {
                    write();
                    Ok(())
                },
            )
            .with_drain(drain),
    );
    let targets = [
        "/metrics",
        "/requests",
        "/_status/info/config",
        "/log-level",
        "/_status/check",
        "/readyz",
    ];
    for round in 0..3 {
        for target in targets {
            assert!(port.get("/livez").starts_with("HTTP/1.1 200"), "{target}");
            let response = port.get(target);
            let status = if target == "/_status/check" {
                "HTTP/1.1 500"
            } else {
                "HTTP/1.1 503"
            };
            assert!(response.starts_with(status), "{target}: {response}");
            let reason = ["timed out", "still running"]
                .iter()
                .any(|reason| response.contains(reason));
            assert!(reason, "{target}: {response}");
        }
        assert!(
            port.exchange(put("/log-level").as_bytes())
                .starts_with("HTTP/1.1 503"),
            "round {round}"
        );
        let drain = "POST /drain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert!(
            port.exchange(drain.as_bytes()).starts_with("HTTP/1.1 503"),
            "round {round}"
        );
    }
    let calls = block.calls.load(Ordering::SeqCst);
    // The live page reads the metrics and the status on a thread of its own.
    assert!(calls <= 8, "{calls} calls block a thread each");
    assert!(port.get("/").starts_with("HTTP/1.1 200"));
    port.stop().unwrap();
}

#[test]
fn pages_stay_open_while_the_metrics_block() {
    let block = Block::new();
    let metrics = block.closure();
    let admin = Admin::new().with_callback_timeout(Duration::from_millis(100));
    let port = Port::start(admin.with_live_metrics(move || {
        metrics();
        String::new()
    }));
    let mut page = port.connect();
    page.write_all(get("/live", "").as_bytes()).unwrap();
    let text = read_until(&mut page, "is still running");
    assert!(text.contains("timed out after 100ms"), "{text}");
    assert_eq!(block.calls.load(Ordering::SeqCst), 1);
    drop(block);
}

#[tokio::test(start_paused = true)]
async fn checks_that_never_wake_time_out() {
    let polls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&polls);
    let admin = Admin::new().with_checks(move || {
        let seen = Arc::clone(&seen);
        poll_fn(move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            Poll::<Vec<CheckResult>>::Pending
        })
    });
    let response = send(&admin, local_request("GET", "/readyz")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.json()["checks"]["checks"],
        "callback timed out after 10s"
    );
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn checks_that_wait_complete() {
    let admin = Admin::new().with_checks(|| async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
        vec![CheckResult::passed("slow")]
    });
    let response = send(&admin, local_request("GET", "/readyz")).await;
    assert_eq!(
        (response.status().as_u16(), &response.json()["checks"]["slow"]),
        (200, &"ok".into())
    );
}

#[tokio::test]
async fn panics_of_checks_in_any_place_are_500() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("expected by the test");
        }
    }
    let in_poll = Admin::new().with_checks(|| async { panic!("expected by the test") });
    let in_drop = Admin::new().with_checks(|| {
        let bomb = Bomb;
        async move {
            let _bomb = bomb;
            Vec::new()
        }
    });
    let payload = Admin::new().with_config(|| std::panic::panic_any(Bomb));
    for (admin, target) in [
        (in_poll, "/readyz"),
        (in_drop, "/readyz"),
        (payload, "/_status/info/config"),
    ] {
        for _ in 0..2 {
            assert_eq!(send(&admin, local_request("GET", target)).await.status(), 500);
        }
        assert_eq!(send(&admin, local_request("GET", "/livez")).await.status(), 200);
    }
}

#[test]
fn a_callback_may_call_the_port() {
    let address = Arc::new(Mutex::new(None));
    let known = Arc::clone(&address);
    let inner = Admin::new().with_requests(|| vec![RequestRow::new("inner")]);
    let port = Port::start(
        Admin::new()
            .with_live_metrics(String::new)
            .with_callback_timeout(Duration::from_millis(500))
            .with_status(|| ServiceStatus::new(ServicePhase::Ready))
            .with_metrics(move |_: &str| {
                // Its own endpoint waits for this call, and times out; any other responds.
                let address: std::net::SocketAddr = known.lock().unwrap().expect("set");
                let fetch = |target: &str| {
                    let mut stream = std::net::TcpStream::connect(address).unwrap();
                    stream
                        .write_all(get(target, "Connection: close\r\n").as_bytes())
                        .unwrap();
                    std::io::read_to_string(stream).unwrap()
                };
                assert!(fetch("/readyz").starts_with("HTTP/1.1 200"));
                let _service = inner.service();
                "up 1\n".to_owned()
            }),
    );
    *address.lock().unwrap() = Some(port.address);
    assert!(port.get("/metrics").ends_with("up 1\n"));
}

#[test]
fn a_captured_value_that_panics_on_drop_does_not_fail_the_port() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("expected by the test");
        }
    }
    let bomb = Bomb;
    let port = Port::start(Admin::new().with_config(move || {
        let _bomb = &bomb;
        "config".to_owned()
    }));
    assert!(port.get("/_status/info/config").ends_with("config"));
    port.stop().unwrap();
}
