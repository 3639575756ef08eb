//! Requests cannot fill the log. In a process of its own, which owns the cache of tracing's callsites.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_inbound::{CatchPanicLayer, DeadlineLayer};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .filter(|line| line.contains(with))
            .map(str::to_owned)
            .collect()
    }
}

#[tokio::test]
async fn panics_and_slow_responses_are_limited() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    std::panic::set_hook(Box::new(|_| {}));
    let panics = CatchPanicLayer::new().layer(service_fn(async |request: Request<String>| {
        if !request.body().is_empty() {
            panic!("{}", request.into_body());
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    for _ in 0..50 {
        let request = Request::new("first\nsecond ERROR forged".to_owned());
        panics.oneshot(request).await.unwrap();
    }
    let lines = log.lines("request handler panicked");
    assert_eq!(lines.len(), 10, "{lines:?}");
    assert!(lines[0].contains("first\\nsecond ERROR forged"), "{}", lines[0]);

    let slow = DeadlineLayer::new()
        .with_soft_limit(Duration::from_micros(1))
        .layer(service_fn(async |_: Request<String>| {
            std::thread::sleep(Duration::from_millis(1));
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
    for _ in 0..50 {
        slow.oneshot(Request::new(String::new())).await.unwrap();
    }
    assert_eq!(log.lines("took longer than the soft limit").len(), 10);
}
