//! Samples that fail for a while. In its own binary, since it replaces a descriptor of the monitor.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod support;

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use campanile_backlog::BacklogMonitor;
use rustix::net::{AddressFamily, sockopt};
use support::log::lines_of;
use support::namespace::in_namespace;
use support::queue::{connect_some, listen, listen_unix};
use support::recorder::recorder;

/// Replaces the process's only netlink socket with a file, so that all requests fail.
fn break_netlink() {
    let broken = std::fs::File::open("/dev/null").unwrap();
    for number in 3..200 {
        #[allow(unsafe_code, reason = "the monitor does not expose its netlink socket")]
        // SAFETY: the kernel rejects closed descriptors, and open ones are only queried.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if sockopt::socket_domain(fd).is_ok_and(|family| family == AddressFamily::NETLINK) {
            #[allow(unsafe_code, reason = "as above")]
            // SAFETY: it is not dropped here, so the monitor keeps its ownership.
            let mut target = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
            rustix::io::dup2(broken.as_fd(), &mut target).unwrap();
            return;
        }
    }
    panic!("no netlink socket is open");
}

#[test]
fn failed_samples_are_logged_and_counted_and_the_monitor_continues() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let path = std::env::temp_dir().join(format!("campanile-errors-{}.sock", std::process::id()));
        let (unix, tcp) = (listen_unix(&path, 4), listen("127.0.0.1:8080", 4));
        let unix_label = monitor.watch(&unix).unwrap().label().to_owned();
        monitor.watch(&tcp).unwrap();
        let value = |name: &str, label: &str| metrics.value(&format!("{name}{{listener={label}}}"));
        let mut clients = connect_some(&unix, 1);
        monitor.sample();
        assert_eq!(value("listener_backlog_pending", &unix_label), Some(1.0));

        break_netlink();
        clients.extend(connect_some(&unix, 1));
        clients.extend(connect_some(&tcp, 3));
        let lines = lines_of(|| monitor.sample());
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(
            lines[0].contains("WARN") && lines[0].contains(&unix_label) && lines[0].contains("error="),
            "{lines:#?}"
        );
        assert_eq!(value("listener_backlog_errors_total", &unix_label), Some(1.0));
        assert_eq!(
            value("listener_backlog_samples_total", &unix_label),
            Some(1.0),
            "the sample must not count as successful"
        );
        assert_eq!(
            value("listener_backlog_pending", "127.0.0.1:8080"),
            Some(3.0),
            "other listeners are sampled"
        );
        assert_eq!(
            value("listener_backlog_errors_total", "127.0.0.1:8080"),
            Some(0.0)
        );

        let lines = lines_of(|| monitor.sample());
        assert!(lines.len() == 1 && lines[0].contains("again"), "{lines:#?}");
        assert_eq!(value("listener_backlog_pending", &unix_label), Some(2.0));
        assert_eq!(value("listener_backlog_errors_total", &unix_label), Some(1.0));
        std::fs::remove_file(path).unwrap();
    });
}
