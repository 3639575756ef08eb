//! Warnings are logged once, with the relevant numbers.

use campanile_backlog::{BacklogMonitor, WatchOptions};
use socket2::Socket;

use crate::support::log::lines_of;
use crate::support::namespace::in_namespace;
use crate::support::queue::{connect_some, listen};
use crate::support::skip;

const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

fn warnings(f: impl FnOnce()) -> Vec<String> {
    lines_of(f)
        .into_iter()
        .filter(|line| line.contains("WARN"))
        .collect()
}

fn warnings_of_watch(listener: &Socket, options: &WatchOptions) -> Vec<String> {
    warnings(|| {
        let mut monitor = BacklogMonitor::new();
        monitor.watch_with(listener, options).unwrap();
        monitor.sample();
        monitor.sample();
    })
}

fn assert_one_line(lines: &[String], parts: &[&str]) {
    assert_eq!(lines.len(), 1, "expected one line: {lines:#?}");
    for part in parts {
        assert!(lines[0].contains(part), "no {part} in {}", lines[0]);
    }
}

#[test]
fn library_default_limit_is_logged() {
    in_namespace(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
        let lines = warnings_of_watch(&Socket::from(listener), &WatchOptions::new());
        assert_one_line(&lines, &["listener=\"127.0.0.1:8080\"", "limit=128", "mio"]);
    });
}

#[test]
fn requested_limit_is_not_logged() {
    in_namespace(|| {
        assert_eq!(
            warnings_of_watch(&listen("127.0.0.1:1", 300), &WatchOptions::new()),
            [""; 0]
        );
        let requested = WatchOptions::new().with_requested_limit(128);
        assert_eq!(
            warnings_of_watch(&listen("127.0.0.1:2", 128), &requested),
            [""; 0]
        );
    });
}

#[test]
fn capped_limit_is_logged() {
    in_namespace(|| {
        if let Err(error) = std::fs::write(SOMAXCONN, "77") {
            return skip(&format!("{SOMAXCONN} cannot be written: {error}"));
        }
        let listener = listen("127.0.0.1:8080", 2_048);
        let requested = WatchOptions::new().with_requested_limit(2_048);
        assert_one_line(
            &warnings_of_watch(&listener, &requested),
            &["limit=77", "requested=2048", "capped by net.core.somaxconn"],
        );
        assert_one_line(
            &warnings_of_watch(&listener, &WatchOptions::new()),
            &["limit=77", "equals net.core.somaxconn"],
        );
    });
}

#[test]
fn first_overflow_is_logged_and_later_ones_are_not() {
    in_namespace(|| {
        let listener = listen("127.0.0.1:8080", 3);
        let lines = warnings(|| {
            let mut monitor = BacklogMonitor::new();
            monitor.watch(&listener).unwrap();
            let mut clients = connect_some(&listener, 4);
            monitor.sample();
            for _ in 0..3 {
                clients.extend(connect_some(&listener, 2));
                monitor.sample();
            }
        });
        assert_one_line(
            &lines,
            &[
                "is full",
                "listener=\"127.0.0.1:8080\"",
                "pending=4",
                "limit=3",
                "overflows=2",
            ],
        );
    });
}
