//! An admin port on its own thread, with metrics that grow.

use std::{
    fmt::Write as _,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread::JoinHandle,
    time::Duration,
};

use campanile_admin::{Admin, RequestRow, ServicePhase, ServiceStatus};
use tokio::sync::oneshot;

pub(crate) const ID: &str = "9b2d6c1e-52a4-4f0e-8d55-1f0c2a7be001";

/// A running admin port. Stops when dropped.
pub(crate) struct AdminPort {
    pub(crate) address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl AdminPort {
    pub(crate) fn tcp(admin: Admin) -> Self {
        Self::at(admin, "127.0.0.1:0".parse().expect("valid address"))
    }

    pub(crate) fn at(admin: Admin, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("address is free");
        let address = listener.local_addr().expect("bound");
        let mut port = Self::run(move |stop| admin.run_blocking(listener, stop));
        port.address = Some(address);
        port
    }

    pub(crate) fn unix(admin: Admin, path: &Path) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).expect("path is free");
        Self::run(move |stop| admin.run_blocking(listener, stop))
    }

    fn run(
        serve: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> std::io::Result<()>
        + Send
        + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            serve(Box::pin(async {
                let _ = stopped.await;
            }))
        });
        Self {
            address: None,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn target(&self) -> String {
        self.address.expect("TCP address").to_string()
    }
}

impl Drop for AdminPort {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.expect("joined once").expect("no panic").expect("no error");
        }
    }
}

/// A service with ten more requests every time its metrics are read.
pub(crate) fn stock() -> Admin {
    let reads = AtomicU64::new(0);
    Admin::new()
        .with_service_name("stock")
        .with_version("1.4.2")
        .with_metrics(move |_accept: &str| metrics(reads.fetch_add(1, Ordering::Relaxed)))
        .with_status(|| {
            ServiceStatus::new(ServicePhase::Draining).with_time_left(Some(Duration::from_millis(11_500)))
        })
        .with_requests(|| {
            let calling = RequestRow::new(ID).with_method("GET").with_route("/stock/{id}");
            let calling = calling
                .with_age(Duration::from_secs(12))
                .with_phase("calling")
                .with_host("db.example");
            let with_control_characters = RequestRow::new("b\u{1b}[2Jb")
                .with_age(Duration::from_secs(3))
                .with_phase("app");
            vec![calling, with_control_characters]
        })
}

fn metrics(read: u64) -> String {
    let (grown, more) = (read * 10, read * 2);
    let mut text = String::new();
    for (name, value) in [
        (
            "http_server_requests_total{http_response_status_code=\"200\"}",
            grown,
        ),
        (
            "http_server_requests_total{http_response_status_code=\"503\"}",
            more,
        ),
        ("http_server_request_duration_seconds_bucket{le=\"0.005\"}", grown),
        ("http_server_request_duration_seconds_bucket{le=\"+Inf\"}", grown),
        ("http_server_active_requests", 2),
        ("http_server_concurrency_limit{limit=\"main\"}", 100),
        ("http_server_open_connections", 7),
        ("http_server_connection_limit", 1000),
        ("listener_backlog_pending{listener=\"127.0.0.1:8080\"}", 3),
        ("listener_backlog_limit{listener=\"127.0.0.1:8080\"}", 128),
        ("listener_backlog_overflows_total{listener=\"127.0.0.1:8080\"}", 1),
        ("http_client_requests_total{server_address=\"db.example\"}", grown),
        ("http_client_errors_total{server_address=\"db.example\"}", more),
    ] {
        writeln!(text, "{name} {value}").expect("infallible");
    }
    text
}
