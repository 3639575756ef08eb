//! What the tests share: a recorder to look at, and servers that misbehave as told.
#![allow(dead_code, reason = "each test uses some of it")]

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

/// A recorder that shows its series as lines.
#[derive(Default)]
pub(crate) struct Board {
    series: Mutex<BTreeMap<String, Cell>>,
}

enum Cell {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Count>),
}

#[derive(Default)]
struct Count(AtomicU64);

impl HistogramFn for Count {
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

impl Board {
    pub(crate) fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// All series in order; histograms by their count.
    pub(crate) fn lines(&self) -> Vec<String> {
        let series = self.series.lock().unwrap();
        series
            .iter()
            .map(|(line, cell)| match cell {
                Cell::Counter(value) => format!("{line} {}", value.load(Ordering::SeqCst)),
                Cell::Gauge(value) => format!("{line} {}", f64::from_bits(value.load(Ordering::SeqCst))),
                Cell::Histogram(count) => format!("{line} {}", count.0.load(Ordering::SeqCst)),
            })
            .collect()
    }

    /// Fails unless these are all series there are.
    #[track_caller]
    pub(crate) fn shows(&self, expected: &[&str]) {
        let mut expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        let mut lines = self.lines();
        lines.sort();
        assert_eq!(lines, expected, "the board on the left");
    }

    /// The sum of all series whose line begins so.
    pub(crate) fn sum(&self, beginning: &str) -> f64 {
        self.lines()
            .iter()
            .filter(|line| line.starts_with(beginning))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }

    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.starts_with(beginning))
            .count()
    }

    /// Waits until the sum is this.
    pub(crate) async fn wait(&self, beginning: &str, value: f64) {
        for _ in 0..500 {
            if self.sum(beginning) == value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited 5 s for {beginning} to be {value}: {:#?}", self.lines());
    }
}

impl Recorder for Board {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut series = self.series.lock().unwrap();
        let cell = series
            .entry(line(key))
            .or_insert_with(|| Cell::Counter(Arc::default()));
        let Cell::Counter(value) = cell else {
            panic!("{key} is no counter")
        };
        Counter::from_arc(Arc::clone(value))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut series = self.series.lock().unwrap();
        let cell = series
            .entry(line(key))
            .or_insert_with(|| Cell::Gauge(Arc::default()));
        let Cell::Gauge(value) = cell else {
            panic!("{key} is no gauge")
        };
        Gauge::from_arc(Arc::clone(value))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut series = self.series.lock().unwrap();
        let cell = series
            .entry(line(key))
            .or_insert_with(|| Cell::Histogram(Arc::default()));
        let Cell::Histogram(count) = cell else {
            panic!("{key} is no histogram")
        };
        Histogram::from_arc(Arc::clone(count))
    }
}

/// What a server does with a connection once it has read a head.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// Writes this and closes.
    Write(&'static str),
    /// Writes this and keeps the connection open, silent.
    WriteAndHold(&'static str),
    /// Answers with the head that it was sent, as the body.
    Echo,
    /// Resets the connection.
    Reset,
    /// Writes this, then resets.
    WriteAndReset(&'static str),
}

/// A server on loopback that does this to each connection, and how many it had.
pub(crate) async fn server(then: Then) -> (SocketAddr, Arc<AtomicU64>) {
    servers(vec![then]).await
}

/// A server that does the first to the first connection and so on, and the last to all that follow.
pub(crate) async fn servers(each: Vec<Then>) -> (SocketAddr, Arc<AtomicU64>) {
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

async fn serve(mut stream: TcpStream, then: Then) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    match then {
        Then::Write(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Then::WriteAndHold(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            // Until the client goes.
            let _ = stream.read(&mut [0; 1]).await;
        }
        Then::Echo => {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                head.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.write_all(&head).await;
        }
        Then::Reset => reset(&stream),
        Then::WriteAndReset(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            // Read by the client before the reset comes: it says so by its next byte, or not at all.
            let _ = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 1])).await;
            reset(&stream);
        }
    }
}

fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// An address on loopback where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Waits for what must come, and says what did not.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(10), future).await {
        Ok(output) => output,
        Err(_) => panic!("waited 10 s for {what}"),
    }
}
