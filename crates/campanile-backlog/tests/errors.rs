//! A listener that cannot be sampled for a while. A process of its own, since a descriptor is taken from under the monitor.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

mod support;

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use campanile_backlog::BacklogMonitor;
use rustix::net::{AddressFamily, sockopt};
use support::log::lines_of;
use support::namespace::in_namespace;
use support::queue::{connect_some, listen, listen_unix};
use support::seen;

/// Puts a file in the place of the process's one netlink socket, of which every question fails from then on.
fn break_netlink() {
    let broken = std::fs::File::open("/dev/null").unwrap();
    for number in 3..200 {
        #[allow(unsafe_code, reason = "the monitor's own is not to be had otherwise")]
        // SAFETY: a number that is not open is refused by the kernel, and nothing is done to one that is.
        let asked = unsafe { BorrowedFd::borrow_raw(number) };
        if sockopt::socket_domain(asked).is_ok_and(|family| family == AddressFamily::NETLINK) {
            #[allow(unsafe_code, reason = "as above")]
            // SAFETY: it stays open, and the monitor's: it is not dropped here.
            let mut target = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
            rustix::io::dup2(broken.as_fd(), &mut target).unwrap();
            return;
        }
    }
    panic!("no netlink socket is open");
}

#[test]
fn an_error_is_a_line_and_a_count_and_the_monitor_goes_on() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let path = std::env::temp_dir().join(format!("campanile-errors-{}.sock", std::process::id()));
        let (unix, tcp) = (listen_unix(&path, 4), listen("127.0.0.1:8080", 4));
        let unix_label = monitor.watch(&unix).unwrap().label().to_owned();
        monitor.watch(&tcp).unwrap();
        let value = |name: &str, label: &str| seen.value(&format!("{name}{{listener={label}}}"));
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
            "it is seen to be old"
        );
        assert_eq!(
            value("listener_backlog_pending", "127.0.0.1:8080"),
            Some(3.0),
            "the others go on"
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
