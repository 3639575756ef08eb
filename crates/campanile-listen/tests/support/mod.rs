//! A recorder whose values tests can read, waits with a timeout, and a raw HTTP/1 client.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of this module"
)]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps the current, lowest and highest value of every series.
#[derive(Default)]
pub struct TestRecorder {
    series: Mutex<BTreeMap<String, Arc<Series>>>,
    described: Mutex<BTreeMap<String, &'static str>>,
}

#[derive(Default)]
struct Series(Mutex<Values>);

#[derive(Clone, Copy, Default)]
struct Values {
    now: f64,
    lowest: f64,
    highest: f64,
}

/// Creates a recorder for one test.
pub fn recorder() -> &'static TestRecorder {
    Box::leak(Box::default())
}

impl TestRecorder {
    /// Returns the value of a series such as `name{a=b,c=d}`, labels sorted; `None` if it was never registered.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.values(series).map(|values| values.now)
    }

    pub fn highest(&self, series: &str) -> f64 {
        self.values(series).unwrap_or_default().highest
    }

    pub fn lowest(&self, series: &str) -> f64 {
        self.values(series).unwrap_or_default().lowest
    }

    /// Returns names and kinds of the described families.
    pub fn described(&self) -> BTreeMap<String, &'static str> {
        self.described.lock().unwrap().clone()
    }

    /// Waits until a series has the expected value.
    pub async fn until(&self, series: &str, expected: f64) {
        eventually(format_args!("{series} to be {expected}"), || {
            let value = self.value(series);
            (value == Some(expected))
                .then_some(())
                .ok_or_else(|| format!("it is {value:?}"))
        })
        .await;
    }

    fn values(&self, series: &str) -> Option<Values> {
        Some(*self.series.lock().unwrap().get(series)?.0.lock().unwrap())
    }

    fn describe(&self, key: &KeyName, kind: &'static str) {
        self.described
            .lock()
            .unwrap()
            .insert(key.as_str().to_owned(), kind);
    }

    fn register(&self, key: &Key) -> Arc<Series> {
        let mut labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let name = if labels.is_empty() {
            key.name().to_owned()
        } else {
            format!("{}{{{}}}", key.name(), labels.join(","))
        };
        Arc::clone(self.series.lock().unwrap().entry(name).or_default())
    }
}

impl Series {
    fn update(&self, update: impl FnOnce(f64) -> f64) {
        let mut values = self.0.lock().unwrap();
        values.now = update(values.now);
        values.lowest = values.lowest.min(values.now);
        values.highest = values.highest.max(values.now);
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.update(|now| now + value as f64);
    }

    fn absolute(&self, value: u64) {
        self.update(|_| value as f64);
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.update(|now| now + value);
    }

    fn decrement(&self, value: f64) {
        self.update(|now| now - value);
    }

    fn set(&self, value: f64) {
        self.update(|_| value);
    }
}

impl Recorder for TestRecorder {
    fn describe_counter(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key, "counter");
    }

    fn describe_gauge(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key, "gauge");
    }

    fn describe_histogram(&self, key: KeyName, _unit: Option<Unit>, _help: SharedString) {
        self.describe(&key, "histogram");
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key))
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Polls until `check` succeeds; panics with its last error after [`TIMEOUT`].
pub async fn eventually(expected: impl Display, check: impl Fn() -> Result<(), String>) {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while let Err(why) = check() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "expected {expected}, but {why}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Awaits a future for at most [`TIMEOUT`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future)
        .await
        .unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

pub async fn connect(address: SocketAddr) -> TcpStream {
    within("a connection", TcpStream::connect(address)).await.unwrap()
}

/// Sends the head of a request without a body.
pub async fn send(client: &mut TcpStream, head: &str) {
    within(
        "a request to be sent",
        client.write_all(format!("{head}\r\nhost: test\r\n\r\n").as_bytes()),
    )
    .await
    .unwrap();
}

/// Reads until the received text ends with `end`, and returns it.
pub async fn read_to(client: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    while !got.ends_with(end.as_bytes()) {
        let mut byte = [0];
        let read = within(&format!("{end:?}"), client.read_exact(&mut byte)).await;
        read.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&got)));
        got.extend(byte);
    }
    String::from_utf8(got).unwrap()
}
