//! `BacklogMonitor::run`.

use std::time::Duration;

use campanile_backlog::BacklogMonitor;

use crate::support::queue::listen;
use crate::support::recorder::recorder;

const SAMPLES: &str = "listener_backlog_samples_total{listener=here}";
const LIMIT: &str = "listener_backlog_limit{listener=here}";

#[tokio::test(start_paused = true)]
async fn run_samples_at_once_and_per_interval_until_it_is_dropped() {
    let metrics = recorder();
    let mut monitor = BacklogMonitor::new().with_recorder(metrics);
    let listener = listen("127.0.0.1:0", 4);
    let options = campanile_backlog::WatchOptions::new().with_label("here");
    monitor.watch_with(&listener, &options).unwrap();
    let running = tokio::spawn(monitor.run(Duration::from_millis(250)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(metrics.value(SAMPLES), Some(1.0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(metrics.value(SAMPLES), Some(5.0));
    assert_eq!(metrics.value(LIMIT), Some(4.0));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(metrics.value(LIMIT), Some(0.0));
}

#[tokio::test]
async fn tokio_listener_can_be_moved_after_watch() {
    let metrics = recorder();
    let mut monitor = BacklogMonitor::new().with_recorder(metrics);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backlog = monitor.watch(&listener).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { listener.accept().await });
    let _client = tokio::net::TcpStream::connect(address).await.unwrap();
    serving.await.unwrap().unwrap();
    monitor.sample();
    assert!(!backlog.is_open(), "the task that owned it has ended");
}
