//! A real Prometheus scrapes the service, and answers what dashboards ask.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use campanile_tests::{
    judges,
    process::{Process, own_address, wait_until},
    wire::Ask,
};
use serde_json::Value;

use crate::conformance::boot;

/// A Prometheus with a folder of its own. Both go when this is dropped.
struct Prometheus {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts one that scrapes `target`; nothing if there is none on this machine.
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
        // The port is free for a moment only, so somebody else may be faster.
        for _ in 0..3 {
            let address = own_address().to_string();
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
                    judges::skip(&format!("prometheus cannot be started: {error}"));
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
        panic!("prometheus ended three times before it was ready");
    }

    /// Waits until it answers; tells whether it does, and did not end instead.
    fn becomes_ready(&mut self) -> bool {
        let mut ended = false;
        let (child, address) = (&mut self.child, &self.address);
        wait_until(
            || {
                ended = child.try_wait().expect("a child can be waited for").is_some();
                // Asks only where somebody listens already.
                let listens = || std::net::TcpStream::connect(address).is_ok();
                ended || (listens() && Ask::get("/-/ready").of(address).status() == 200)
            },
            || "prometheus does not answer".to_owned(),
        );
        !ended
    }

    fn ask(&self, path: &str, query: &str) -> Value {
        let escape = |byte: u8| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        let query: String = query.bytes().map(escape).collect();
        let answer = Ask::get(format!("/api/v1/{path}query={query}")).of(&self.address);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    }

    /// The values of what a query finds now.
    fn values(&self, query: &str) -> Vec<f64> {
        let answer = self.ask("query?", query);
        let series = answer["data"]["result"].as_array().expect("a vector").clone();
        let value = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse().ok());
        series
            .iter()
            .map(|one| value(one).expect("a number as text"))
            .collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself, and the folder may stay: it is one of cargo's.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn requests(service: &Process) {
    for _ in 0..10 {
        let ask = Ask::get("/sleep/0.003").field("x-request-id", "a-scraped-request");
        assert_eq!(ask.of(service.address()).status(), 200);
    }
}

#[test]
fn prometheus_answers_rates_quantiles_and_exemplars() {
    let service = boot(&[]);
    requests(&service);
    let Some(prometheus) = Prometheus::start(service.admin()) else {
        return;
    };
    let route = "{http_route=\"/sleep/{s}\",http_response_status_code=\"200\"}";
    let rate = format!("rate(http_server_requests_total{route}[10s])");
    let buckets = format!("http_server_request_duration_seconds_bucket{route}");
    let quantile = format!("histogram_quantile(0.5, sum by (le) (rate({buckets}[10s])))");
    let began = Instant::now();
    // Rates need two scrapes that saw different counts.
    let mut found = (Vec::new(), Vec::new());
    wait_until(
        || {
            requests(&service);
            found = (prometheus.values(&rate), prometheus.values(&quantile));
            let number = |values: &[f64]| matches!(values, [value] if *value > 0.0);
            number(&found.0) && number(&found.1)
        },
        || {
            format!(
                "neither a rate nor a quantile: up is {:?}",
                prometheus.values("up")
            )
        },
    );
    let (rates, quantiles) = found;
    assert!(rates[0] < 5_000.0, "{rates:?} requests each second");
    // At least what it slept, and no more than has passed at all.
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
    let mut answer = Value::Null;
    wait_until(
        || {
            answer = prometheus.ask(&range, &buckets);
            answer["data"][0]["exemplars"][0].is_object()
        },
        || "there is no exemplar".to_owned(),
    );
    let exemplar = &answer["data"][0]["exemplars"][0];
    assert_eq!(exemplar["labels"]["request_id"], "a-scraped-request", "{answer}");
    assert_eq!(answer["data"][0]["seriesLabels"]["http_route"], "/sleep/{s}");
}
