//! Queues of every length, beside what `ss` says of them.

use campanile_backlog::BacklogMonitor;
use socket2::Socket;

use crate::support::namespace::in_namespace;
use crate::support::queue::{
    connect, connect_some, eventually, listen, listen_sharing_port, listen_unix, ss_tcp, ss_unix,
};
use crate::support::seen::{self, Seen};

const LIMIT: u32 = 8;
/// How many connections are asked for, and how many fit: one more than the limit.
const STEPS: [(u32, u32); 5] = [
    (0, 0),
    (5, 5),
    (LIMIT, LIMIT),
    (LIMIT + 1, LIMIT + 1),
    (LIMIT + 4, LIMIT + 1),
];

fn gauges(seen: &Seen, label: &str) -> (u32, u32) {
    let value = |name: &str| {
        let series = format!("{name}{{listener={label}}}");
        seen.value(&series)
            .unwrap_or_else(|| panic!("no {series} in {:?}", seen.names())) as u32
    };
    (value("listener_backlog_pending"), value("listener_backlog_limit"))
}

fn fills(listener: &Socket, label: &str, ss: impl Fn() -> (u32, u32)) {
    let seen = seen::recorder();
    let mut monitor = BacklogMonitor::new().with_recorder(seen);
    let backlog = monitor.watch(listener).unwrap();
    assert_eq!(backlog.label(), label);
    let mut clients = Vec::new();
    for (asked, fit) in STEPS {
        clients.resize_with(asked as usize, || connect(listener));
        // On loopback the handshake is done when connect returns; the kernel owes us no such promise.
        eventually("connections to be queued", || ss().0 == fit);
        monitor.sample();
        assert_eq!(gauges(seen, label), ss(), "{label} with {asked} clients");
        assert_eq!(gauges(seen, label), (fit, LIMIT), "{label} with {asked} clients");
        assert_eq!((backlog.pending(), backlog.limit()), (fit, LIMIT));
    }
    let counts = seen.value(&format!("listener_backlog_overflows_total{{listener={label}}}"));
    assert_eq!(
        counts.is_some(),
        !label.starts_with("unix:"),
        "nobody counts those of unix listeners"
    );
    // Those that found no room would come in later, between a sample and what it is compared with.
    clients.truncate(LIMIT as usize + 1);
    while ss().0 > 0 {
        drop(listener.accept().unwrap());
        monitor.sample();
        assert_eq!(gauges(seen, label), ss(), "{label} while it is accepted from");
    }
}

#[test]
fn an_ipv4_queue_is_what_ss_says() {
    in_namespace(|| {
        let listener = listen("127.0.0.1:8080", LIMIT as i32);
        fills(&listener, "127.0.0.1:8080", || ss_tcp(&listener));
    });
}

#[test]
fn an_ipv6_queue_is_what_ss_says() {
    in_namespace(|| {
        let listener = listen("[::1]:8080", LIMIT as i32);
        fills(&listener, "[::1]:8080", || ss_tcp(&listener));
    });
}

#[test]
fn a_unix_queue_is_what_ss_says() {
    in_namespace(|| {
        let path = std::env::temp_dir().join(format!("campanile-backlog-{}.sock", std::process::id()));
        let listener = listen_unix(&path, LIMIT as i32);
        fills(&listener, &format!("unix:{}", path.display()), || ss_unix(&path));
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn sockets_that_share_a_port_have_a_series_each() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listeners = [(); 2].map(|()| listen_sharing_port("127.0.0.1:8080", LIMIT as i32));
        let labels = ["127.0.0.1:8080", "127.0.0.1:8080#1"];
        for (listener, label) in listeners.iter().zip(labels) {
            assert_eq!(monitor.watch(listener).unwrap().label(), label);
        }
        // Each queue is filled beyond its end in the course of it, since chance deals the connections.
        let mut clients = Vec::new();
        while listeners.iter().any(|listener| ss_tcp(listener).0 <= LIMIT) {
            assert!(clients.len() < 1_000, "chance never filled both queues");
            clients.extend(connect_some(&listeners[0], 1));
            monitor.sample();
            for (listener, label) in listeners.iter().zip(labels) {
                assert_eq!(gauges(seen, label), ss_tcp(listener), "{label}");
            }
        }
    });
}

#[test]
fn clients_that_left_are_counted_until_they_are_accepted() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listener = listen("127.0.0.1:8080", LIMIT as i32);
        monitor.watch(&listener).unwrap();
        drop(connect_some(&listener, 3));
        monitor.sample();
        assert_eq!(gauges(seen, "127.0.0.1:8080"), (3, LIMIT));
        assert_eq!(ss_tcp(&listener), (3, LIMIT));
    });
}
