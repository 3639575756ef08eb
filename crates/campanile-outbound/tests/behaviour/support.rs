//! Shared by the tests: a recorder with readable series, and scripted servers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A recorder that renders its series as lines.
#[derive(Default)]
pub(crate) struct TestRecorder {
    series: Mutex<BTreeMap<String, Series>>,
}

enum Series {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<HistogramCount>),
}

#[derive(Default)]
struct HistogramCount(AtomicU64);

impl HistogramFn for HistogramCount {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "a duration of {value} seconds");
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn line(key: &Key) -> String {
    let mut labels: Vec<_> = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()))
        .collect();
    labels.sort();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl TestRecorder {
    pub(crate) fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Returns all series, sorted; histograms by their count.
    pub(crate) fn lines(&self) -> Vec<String> {
        let series = self.series.lock().unwrap();
        series
            .iter()
            .map(|(line, series)| match series {
                Series::Counter(value) => format!("{line} {}", value.load(Ordering::SeqCst)),
                Series::Gauge(value) => format!("{line} {}", f64::from_bits(value.load(Ordering::SeqCst))),
                Series::Histogram(count) => format!("{line} {}", count.0.load(Ordering::SeqCst)),
            })
            .collect()
    }

    /// Asserts that these are all series.
    #[track_caller]
    pub(crate) fn assert_series(&self, expected: &[&str]) {
        let mut expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        let mut lines = self.lines();
        lines.sort();
        assert_eq!(lines, expected, "recorded on the left");
    }

    /// Returns the sum of all series whose line has this prefix.
    pub(crate) fn sum(&self, prefix: &str) -> f64 {
        self.lines()
            .iter()
            .filter(|line| line.starts_with(prefix))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }

    /// Returns the number of series whose line has this prefix.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.starts_with(prefix))
            .count()
    }

    /// Waits until the sum of the series with this prefix is `value`.
    pub(crate) async fn wait_for_sum(&self, prefix: &str, value: f64) {
        for _ in 0..500 {
            if self.sum(prefix) == value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited 5 s for {prefix} to be {value}: {:#?}", self.lines());
    }
}

impl Recorder for TestRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut series = self.series.lock().unwrap();
        let entry = series
            .entry(line(key))
            .or_insert_with(|| Series::Counter(Arc::default()));
        let Series::Counter(value) = entry else {
            panic!("{key} is not a counter")
        };
        Counter::from_arc(Arc::clone(value))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut series = self.series.lock().unwrap();
        let entry = series
            .entry(line(key))
            .or_insert_with(|| Series::Gauge(Arc::default()));
        let Series::Gauge(value) = entry else {
            panic!("{key} is not a gauge")
        };
        Gauge::from_arc(Arc::clone(value))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut series = self.series.lock().unwrap();
        let entry = series
            .entry(line(key))
            .or_insert_with(|| Series::Histogram(Arc::default()));
        let Series::Histogram(count) = entry else {
            panic!("{key} is not a histogram")
        };
        Histogram::from_arc(Arc::clone(count))
    }
}

/// What a server does with a connection after it has read a request head.
#[derive(Clone, Copy)]
pub(crate) enum AfterHead {
    /// Writes the text and closes.
    Write(&'static str),
    /// Writes the text and keeps the connection open.
    WriteAndHold(&'static str),
    /// Responds with the request head as the body.
    Echo,
    /// Resets the connection.
    Reset,
    /// Writes the text, then resets the connection.
    WriteAndReset(&'static str),
}

/// Starts a server on loopback. Returns its address and its number of connections.
pub(crate) async fn server(then: AfterHead) -> (SocketAddr, Arc<AtomicU64>) {
    server_sequence(vec![then]).await
}

/// Starts a server with one behaviour per connection; the last one repeats.
pub(crate) async fn server_sequence(each: Vec<AfterHead>) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst) as usize;
            tokio::spawn(serve(stream, each[number.min(each.len() - 1)]));
        }
    });
    (address, count)
}

async fn serve(mut stream: TcpStream, then: AfterHead) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    match then {
        AfterHead::Write(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        AfterHead::WriteAndHold(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            // Until the client closes.
            let _ = stream.read(&mut [0; 1]).await;
        }
        AfterHead::Echo => {
            let response = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                head.len()
            );
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.write_all(&head).await;
        }
        AfterHead::Reset => reset(&stream),
        AfterHead::WriteAndReset(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            // Gives the client time to read before the reset.
            let _ = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 1])).await;
            reset(&stream);
        }
    }
}

fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// Returns an address on loopback without a listener.
pub(crate) async fn unused_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Awaits a future for at most 10 seconds.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(10), future).await {
        Ok(output) => output,
        Err(_) => panic!("waited 10 s for {what}"),
    }
}
