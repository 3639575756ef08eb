//! Queue lengths, compared with the output of `ss`.

use campanile_backlog::BacklogMonitor;
use socket2::Socket;

use crate::support::namespace::in_namespace;
use crate::support::queue::{
    connect, connect_some, eventually, listen, listen_sharing_port, listen_unix, ss_tcp, ss_unix,
};
use crate::support::recorder::{TestRecorder, recorder};

const LIMIT: u32 = 8;
/// Connection attempts, and how many of them the queue holds: one more than the limit.
const STEPS: [(u32, u32); 5] = [
    (0, 0),
    (5, 5),
    (LIMIT, LIMIT),
    (LIMIT + 1, LIMIT + 1),
    (LIMIT + 4, LIMIT + 1),
];

fn gauges(metrics: &TestRecorder, label: &str) -> (u32, u32) {
    let value = |name: &str| {
        let series = format!("{name}{{listener={label}}}");
        metrics
            .value(&series)
            .unwrap_or_else(|| panic!("no {series} in {:?}", metrics.names())) as u32
    };
    (value("listener_backlog_pending"), value("listener_backlog_limit"))
}

fn check_lengths(listener: &Socket, label: &str, ss: impl Fn() -> (u32, u32)) {
    let metrics = recorder();
    let mut monitor = BacklogMonitor::new().with_recorder(metrics);
    let backlog = monitor.watch(listener).unwrap();
    assert_eq!(backlog.label(), label);
    let mut clients = Vec::new();
    for (attempts, fit) in STEPS {
        clients.resize_with(attempts as usize, || connect(listener));
        // Loopback usually completes the handshake within connect, but without a guarantee.
        eventually("connections to be queued", || ss().0 == fit);
        monitor.sample();
        assert_eq!(gauges(metrics, label), ss(), "{label} with {attempts} clients");
        assert_eq!(
            gauges(metrics, label),
            (fit, LIMIT),
            "{label} with {attempts} clients"
        );
        assert_eq!((backlog.pending(), backlog.limit()), (fit, LIMIT));
    }
    let counts = metrics.value(&format!("listener_backlog_overflows_total{{listener={label}}}"));
    assert_eq!(
        counts.is_some(),
        !label.starts_with("unix:"),
        "unix listeners have no overflow count"
    );
    // The clients beyond the queue would retry, between a sample and the comparison.
    clients.truncate(LIMIT as usize + 1);
    while ss().0 > 0 {
        drop(listener.accept().unwrap());
        monitor.sample();
        assert_eq!(gauges(metrics, label), ss(), "{label} while accepting");
    }
}

#[test]
fn ipv4_queue_matches_ss() {
    in_namespace(|| {
        let listener = listen("127.0.0.1:8080", LIMIT as i32);
        check_lengths(&listener, "127.0.0.1:8080", || ss_tcp(&listener));
    });
}

#[test]
fn ipv6_queue_matches_ss() {
    in_namespace(|| {
        let listener = listen("[::1]:8080", LIMIT as i32);
        check_lengths(&listener, "[::1]:8080", || ss_tcp(&listener));
    });
}

#[test]
fn unix_queue_matches_ss() {
    in_namespace(|| {
        let path = std::env::temp_dir().join(format!("campanile-backlog-{}.sock", std::process::id()));
        let listener = listen_unix(&path, LIMIT as i32);
        check_lengths(&listener, &format!("unix:{}", path.display()), || ss_unix(&path));
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn sockets_that_share_a_port_have_separate_series() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listeners = [(); 2].map(|()| listen_sharing_port("127.0.0.1:8080", LIMIT as i32));
        let labels = ["127.0.0.1:8080", "127.0.0.1:8080#1"];
        for (listener, label) in listeners.iter().zip(labels) {
            assert_eq!(monitor.watch(listener).unwrap().label(), label);
        }
        // The kernel distributes the connections at random, until both queues overflow.
        let mut clients = Vec::new();
        while listeners.iter().any(|listener| ss_tcp(listener).0 <= LIMIT) {
            assert!(clients.len() < 1_000, "both queues were never full");
            clients.extend(connect_some(&listeners[0], 1));
            monitor.sample();
            for (listener, label) in listeners.iter().zip(labels) {
                assert_eq!(gauges(metrics, label), ss_tcp(listener), "{label}");
            }
        }
    });
}

#[test]
fn disconnected_clients_count_until_they_are_accepted() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", LIMIT as i32);
        monitor.watch(&listener).unwrap();
        drop(connect_some(&listener, 3));
        monitor.sample();
        assert_eq!(gauges(metrics, "127.0.0.1:8080"), (3, LIMIT));
        assert_eq!(ss_tcp(&listener), (3, LIMIT));
    });
}
