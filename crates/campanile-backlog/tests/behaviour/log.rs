//! What is said to the log: once, with the numbers that help.

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

fn watched(listener: &Socket, options: &WatchOptions) -> Vec<String> {
    warnings(|| {
        let mut monitor = BacklogMonitor::new();
        monitor.watch_with(listener, options).unwrap();
        monitor.sample();
        monitor.sample();
    })
}

fn one(lines: &[String], parts: &[&str]) {
    assert_eq!(lines.len(), 1, "one line was to be said: {lines:#?}");
    for part in parts {
        assert!(lines[0].contains(part), "no {part} in {}", lines[0]);
    }
}

#[test]
fn a_limit_that_the_library_chose_is_named() {
    in_namespace(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
        let lines = watched(&Socket::from(listener), &WatchOptions::new());
        one(&lines, &["listener=\"127.0.0.1:8080\"", "limit=128", "mio"]);
    });
}

#[test]
fn a_limit_that_the_user_chose_is_not_named() {
    in_namespace(|| {
        assert_eq!(
            watched(&listen("127.0.0.1:1", 300), &WatchOptions::new()),
            [""; 0]
        );
        let told = WatchOptions::new().with_requested_limit(128);
        assert_eq!(watched(&listen("127.0.0.1:2", 128), &told), [""; 0]);
    });
}

#[test]
fn a_limit_that_somaxconn_cut_is_named() {
    in_namespace(|| {
        if let Err(error) = std::fs::write(SOMAXCONN, "77") {
            return skip(&format!("{SOMAXCONN} is not to be set: {error}"));
        }
        let listener = listen("127.0.0.1:8080", 2_048);
        let told = WatchOptions::new().with_requested_limit(2_048);
        one(
            &watched(&listener, &told),
            &["limit=77", "requested=2048", "net.core.somaxconn cut"],
        );
        one(
            &watched(&listener, &WatchOptions::new()),
            &["limit=77", "is net.core.somaxconn"],
        );
    });
}

#[test]
fn overflows_are_named_when_they_begin_and_not_again() {
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
        one(
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
