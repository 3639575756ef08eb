//! A real Prometheus scrapes the service, and evaluates the queries of dashboards.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use campanile_tests::{
    client::TestRequest,
    external_checkers,
    process::{Process, free_address, wait_until},
};
use serde_json::Value;

use crate::conformance::start_service;

/// A Prometheus with a data directory. Dropping it ends the process and removes the directory.
struct Prometheus {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes `target`; `None` if it is not installed.
    fn start(target: &str) -> Option<Self> {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 400ms\n  scrape_timeout: 400ms\nscrape_configs:\n\
             - job_name: conformance\n  static_configs:\n  - targets: ['{target}']\n"
        );
        std::fs::write(&config, text).expect("the configuration can be written");
        // Another process may bind the port first.
        for _ in 0..3 {
            let address = free_address().to_string();
            let child = Command::new("prometheus")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .args(["--enable-feature=exemplar-storage", "--log.level=warn"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let child = match child {
                Ok(child) => child,
                Err(error) => {
                    external_checkers::skip(&format!("prometheus cannot be started: {error}"));
                    return None;
                }
            };
            let mut started = Self {
                child,
                address,
                folder: folder.clone(),
            };
            if started.becomes_ready() {
                return Some(started);
            }
        }
        panic!("prometheus exited three times before it was ready");
    }

    /// Waits until it is ready; returns false if it exited.
    fn becomes_ready(&mut self) -> bool {
        let mut exited = false;
        let (child, address) = (&mut self.child, &self.address);
        wait_until(
            || {
                exited = child.try_wait().expect("a child can be waited for").is_some();
                // `send` panics if the connection is refused.
                let listens = || std::net::TcpStream::connect(address).is_ok();
                exited || (listens() && TestRequest::get("/-/ready").send(address).status() == 200)
            },
            || "prometheus is not ready".to_owned(),
        );
        !exited
    }

    fn query(&self, path: &str, query: &str) -> Value {
        let escape = |byte: u8| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        let query: String = query.bytes().map(escape).collect();
        let response = TestRequest::get(format!("/api/v1/{path}query={query}")).send(&self.address);
        assert_eq!(response.status(), 200, "{}", response.text());
        response.json()
    }

    /// Returns the current values of a query.
    fn values(&self, query: &str) -> Vec<f64> {
        let response = self.query("query?", query);
        let series = response["data"]["result"].as_array().expect("a vector").clone();
        let value = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse().ok());
        series
            .iter()
            .map(|one| value(one).expect("a number as text"))
            .collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // The process may have exited; the directory is in the target directory.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn requests(service: &Process) {
    for _ in 0..10 {
        let request = TestRequest::get("/sleep/0.003").header("x-request-id", "a-scraped-request");
        assert_eq!(request.send(service.address()).status(), 200);
    }
}

#[test]
fn prometheus_evaluates_rates_quantiles_and_exemplars() {
    let service = start_service(&[]);
    requests(&service);
    let Some(prometheus) = Prometheus::start(service.admin()) else {
        return;
    };
    let route = "{http_route=\"/sleep/{s}\",http_response_status_code=\"200\"}";
    let rate = format!("rate(http_server_requests_total{route}[10s])");
    let buckets = format!("http_server_request_duration_seconds_bucket{route}");
    let quantile = format!("histogram_quantile(0.5, sum by (le) (rate({buckets}[10s])))");
    let began = Instant::now();
    // Rates need two scrapes with different counts.
    let mut found = (Vec::new(), Vec::new());
    wait_until(
        || {
            requests(&service);
            found = (prometheus.values(&rate), prometheus.values(&quantile));
            let number = |values: &[f64]| matches!(values, [value] if *value > 0.0);
            number(&found.0) && number(&found.1)
        },
        || format!("no rate and no quantile; up is {:?}", prometheus.values("up")),
    );
    let (rates, quantiles) = found;
    assert!(rates[0] < 5_000.0, "{rates:?} requests per second");
    // At least the sleep of the handler, at most the elapsed time.
    let passed = began.elapsed().as_secs_f64();
    assert!(
        (0.0025..passed.max(0.1)).contains(&quantiles[0]),
        "{quantiles:?} s after {passed} s"
    );

    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let range = format!("query_exemplars?start={}&end={}&", now - 600, now + 600);
    let mut response = Value::Null;
    wait_until(
        || {
            response = prometheus.query(&range, &buckets);
            response["data"][0]["exemplars"][0].is_object()
        },
        || "no exemplar".to_owned(),
    );
    let exemplar = &response["data"][0]["exemplars"][0];
    assert_eq!(
        exemplar["labels"]["request_id"], "a-scraped-request",
        "{response}"
    );
    assert_eq!(response["data"][0]["seriesLabels"]["http_route"], "/sleep/{s}");
}
