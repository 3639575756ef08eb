//! Monitors keep no listener open, and the series of closed listeners end.

use std::io::ErrorKind;
use std::os::fd::AsRawFd;

use campanile_backlog::BacklogMonitor;
use socket2::{Domain, Socket, Type};

use crate::support::namespace::alone_in_namespace;
use crate::support::queue::{connect_some, listen, listen_unix};
use crate::support::recorder::recorder;

const PENDING: &str = "listener_backlog_pending{listener=127.0.0.1:8080}";
const LIMIT: &str = "listener_backlog_limit{listener=127.0.0.1:8080}";
const SAMPLES: &str = "listener_backlog_samples_total{listener=127.0.0.1:8080}";

#[test]
fn watched_listener_closes_with_its_owner() {
    alone_in_namespace(|| {
        let mut monitor = BacklogMonitor::new();
        let listener = listen("127.0.0.1:8080", 4);
        let address = listener.local_addr().unwrap();
        monitor.watch(&listener).unwrap();
        monitor.sample();
        drop(listener);
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let refused = client.connect(&address).unwrap_err();
        assert_eq!(
            refused.kind(),
            ErrorKind::ConnectionRefused,
            "the listener is still open"
        );
        monitor.sample();
    });
}

#[test]
fn gauges_are_zero_once_the_listener_is_closed() {
    alone_in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", 4);
        let backlog = monitor.watch(&listener).unwrap();
        let _clients = connect_some(&listener, 3);
        monitor.sample();
        assert_eq!(
            (metrics.value(PENDING), metrics.value(LIMIT)),
            (Some(3.0), Some(4.0))
        );
        drop(listener);
        monitor.sample();
        assert_eq!(
            (metrics.value(PENDING), metrics.value(LIMIT)),
            (Some(0.0), Some(0.0))
        );
        assert!(!backlog.is_open());
        assert_eq!((backlog.pending(), backlog.limit()), (0, 0));
        monitor.sample();
        assert_eq!(
            metrics.value(SAMPLES),
            Some(1.0),
            "it was sampled after the close"
        );
        assert_eq!(
            metrics.value("listener_backlog_errors_total{listener=127.0.0.1:8080}"),
            Some(0.0)
        );
    });
}

#[test]
fn reused_descriptor_number_is_not_sampled() {
    alone_in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", 4);
        // A high number, so that no other thread gets it in between.
        let high = rustix::io::fcntl_dupfd_cloexec(&listener, 901).unwrap();
        let number = high.as_raw_fd();
        monitor.watch(&high).unwrap();
        monitor.sample();
        drop((listener, high));
        let other = listen("127.0.0.1:9090", 4);
        let other = rustix::io::fcntl_dupfd_cloexec(&other, 901).unwrap();
        assert_eq!(other.as_raw_fd(), number, "another thread got the number");
        let _clients = connect_some(&Socket::from(other.try_clone().unwrap()), 2);
        monitor.sample();
        assert_eq!(metrics.value(PENDING), Some(0.0));
        assert_eq!(metrics.value(LIMIT), Some(0.0));
    });
}

#[test]
fn listener_bound_again_continues_the_series() {
    alone_in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        for _ in 0..3 {
            let listener = listen("127.0.0.1:8080", 4);
            let backlog = monitor.watch(&listener).unwrap();
            assert_eq!(backlog.label(), "127.0.0.1:8080");
            let clients = connect_some(&listener, 2);
            monitor.sample();
            assert_eq!(metrics.value(PENDING), Some(2.0));
            drop((listener, clients));
            monitor.sample();
        }
    });
}

#[test]
fn gauges_are_zero_once_the_monitor_is_dropped() {
    alone_in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", 4);
        let backlog = monitor.watch(&listener).unwrap();
        let _clients = connect_some(&listener, 3);
        monitor.sample();
        drop(monitor);
        assert_eq!(
            (metrics.value(PENDING), metrics.value(LIMIT)),
            (Some(0.0), Some(0.0))
        );
        assert!(!backlog.is_open());
    });
}

#[test]
fn closed_listeners_do_not_affect_the_others() {
    alone_in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let path = std::env::temp_dir().join(format!("campanile-closing-{}.sock", std::process::id()));
        let (gone, unix, stays) = (
            listen("127.0.0.1:9090", 4),
            listen_unix(&path, 4),
            listen("127.0.0.1:8080", 4),
        );
        for listener in [&gone, &unix, &stays] {
            monitor.watch(listener).unwrap();
        }
        drop((gone, unix));
        std::fs::remove_file(path).unwrap();
        let _clients = connect_some(&stays, 2);
        monitor.sample();
        assert_eq!(metrics.value(PENDING), Some(2.0));
    });
}
