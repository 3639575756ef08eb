//! Overflows, compared with the kernel's counters, and drops for other reasons.

use campanile_backlog::BacklogMonitor;
use socket2::{SockFilter, Socket};

use crate::support::namespace::{in_namespace, in_namespace_within, kernel_count};
use crate::support::queue::{connect_some, eventually, listen, listen_sharing_port};
use crate::support::recorder::{TestRecorder, recorder};

fn overflows(metrics: &TestRecorder, label: &str) -> u64 {
    metrics
        .value(&format!("listener_backlog_overflows_total{{listener={label}}}"))
        .unwrap_or_else(|| panic!("no overflows of {label} in {:?}", metrics.names())) as u64
}

/// Samples while the kernel's counter does not change, and returns it. Blocked clients may retry at any time.
fn sample_at_rest(monitor: &mut BacklogMonitor) -> u64 {
    loop {
        let before = kernel_count("ListenOverflows");
        monitor.sample();
        if kernel_count("ListenOverflows") == before {
            return before;
        }
    }
}

/// Attaches a filter that drops all packets, similar to that of a closing listener.
fn drop_all(listener: &Socket) {
    const RETURN: u16 = 0x06;
    listener
        .attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
        .unwrap();
}

fn connect_filtered(listener: &Socket, clients: usize) -> Vec<Socket> {
    let dropped = || {
        let text = crate::support::namespace::run("ss", &["-ltnHm"]).unwrap();
        // `skmem:(…,d3)`: three packets were dropped.
        text.split(",d")
            .skip(1)
            .filter_map(|rest| rest.split(')').next()?.parse::<usize>().ok())
            .max()
            .unwrap_or(0)
    };
    let before = dropped();
    let sockets = connect_some(listener, clients);
    eventually("SYNs to be dropped by the filter", || {
        dropped() >= before + clients
    });
    sockets
}

fn check_counts(address: &'static str) {
    in_namespace(move || {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen(address, 4);
        let begin = kernel_count("ListenOverflows");
        let backlog = monitor.watch(&listener).unwrap();
        let mut clients = connect_some(&listener, 5);
        sample_at_rest(&mut monitor);
        assert_eq!(
            overflows(metrics, address),
            0,
            "the queue holds one more than its limit"
        );
        // After a second the first clients retry, which counts too.
        for more in [1, 3, 10, 0] {
            clients.extend(connect_some(&listener, more));
            let kernel = sample_at_rest(&mut monitor) - begin;
            assert!(kernel > 0, "the kernel dropped nothing");
            assert_eq!(overflows(metrics, address), kernel);
            assert_eq!(backlog.overflows(), kernel);
            std::thread::sleep(std::time::Duration::from_millis(if more == 10 {
                1_200
            } else {
                0
            }));
        }
        assert_eq!(
            metrics.value("listener_backlog_namespace_overflows_total"),
            Some(overflows(metrics, address) as f64)
        );
        assert_eq!(
            metrics.value("listener_backlog_namespace_drops_total"),
            Some(kernel_count("ListenDrops") as f64)
        );
    });
}

#[test]
fn ipv4_overflows_match_the_kernel() {
    check_counts("127.0.0.1:8080");
}

#[test]
fn ipv6_overflows_match_the_kernel() {
    check_counts("[::1]:8080");
}

#[test]
fn overflows_of_a_shared_port_add_up() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listeners = [(); 2].map(|()| listen_sharing_port("127.0.0.1:8080", 2));
        let begin = kernel_count("ListenOverflows");
        for listener in &listeners {
            monitor.watch(listener).unwrap();
        }
        let both = |metrics: &TestRecorder| {
            ["127.0.0.1:8080", "127.0.0.1:8080#1"].map(|label| overflows(metrics, label))
        };
        let mut clients = Vec::new();
        loop {
            clients.extend(connect_some(&listeners[0], 2));
            let kernel = sample_at_rest(&mut monitor) - begin;
            let each = both(metrics);
            assert_eq!(each.iter().sum::<u64>(), kernel, "{each:?}");
            if each.iter().all(|count| *count > 2) {
                break;
            }
            assert!(clients.len() < 1_000, "both never overflowed: {each:?}");
        }
    });
}

#[test]
fn overflows_are_counted_for_their_listener_only() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let (full, empty) = (listen("127.0.0.1:1", 1), listen("127.0.0.1:2", 1));
        monitor.watch(&full).unwrap();
        monitor.watch(&empty).unwrap();
        let _clients = connect_some(&full, 7);
        let kernel = sample_at_rest(&mut monitor);
        assert_eq!(
            (
                overflows(metrics, "127.0.0.1:1"),
                overflows(metrics, "127.0.0.1:2")
            ),
            (kernel, 0)
        );
    });
}

#[test]
fn earlier_overflows_are_not_counted() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", 1);
        let _clients = connect_some(&listener, 9);
        let begin = kernel_count("ListenOverflows");
        assert!(begin > 0, "the kernel dropped nothing");
        monitor.watch(&listener).unwrap();
        let kernel = sample_at_rest(&mut monitor) - begin;
        assert_eq!(overflows(metrics, "127.0.0.1:8080"), kernel);
    });
}

#[test]
fn filter_drops_are_not_counted() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", 4);
        monitor.watch(&listener).unwrap();
        monitor.sample();
        drop_all(&listener);
        let _clients = connect_filtered(&listener, 6);
        monitor.sample();
        assert_eq!(overflows(metrics, "127.0.0.1:8080"), 0);
    });
}

#[test]
fn filter_drops_are_not_counted_while_another_listener_overflows() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let (filtered, full) = (listen("127.0.0.1:1", 4), listen("127.0.0.1:2", 1));
        monitor.watch(&filtered).unwrap();
        monitor.watch(&full).unwrap();
        drop_all(&filtered);
        let _clients = (connect_filtered(&filtered, 6), connect_some(&full, 9));
        let kernel = sample_at_rest(&mut monitor);
        assert_eq!(
            (
                overflows(metrics, "127.0.0.1:1"),
                overflows(metrics, "127.0.0.1:2")
            ),
            (0, kernel)
        );
    });
}

#[test]
fn drops_of_a_filter_detached_before_the_sample_are_not_counted() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", 4);
        monitor.watch(&listener).unwrap();
        drop_all(&listener);
        let clients = connect_filtered(&listener, 6);
        listener.detach_filter().unwrap();
        monitor.sample();
        assert_eq!(overflows(metrics, "127.0.0.1:8080"), 0);
        drop(clients);
        // Later overflows are counted again.
        let _clients = connect_some(&listener, 9);
        let kernel = sample_at_rest(&mut monitor);
        assert!(kernel > 0, "the kernel dropped nothing");
        assert_eq!(overflows(metrics, "127.0.0.1:8080"), kernel);
    });
}

#[test]
fn overflows_after_a_filter_is_detached_are_counted() {
    in_namespace(|| {
        let metrics = recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(metrics);
        let listener = listen("127.0.0.1:8080", 4);
        monitor.watch(&listener).unwrap();
        drop_all(&listener);
        drop(connect_filtered(&listener, 6));
        monitor.sample();
        listener.detach_filter().unwrap();
        monitor.sample();
        let _clients = connect_some(&listener, 9);
        let kernel = sample_at_rest(&mut monitor);
        assert!(kernel > 0, "the kernel dropped nothing");
        assert_eq!(overflows(metrics, "127.0.0.1:8080"), kernel);
    });
}

#[test]
fn listener_of_another_namespace_is_not_capped_by_this_one() {
    in_namespace(|| {
        let listener = listen("127.0.0.1:8080", 4);
        let other = listener.try_clone().unwrap();
        let (begin, monitored) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let watching = scope.spawn(move || {
                let metrics = recorder();
                in_namespace_within(move || {
                    let mut monitor = BacklogMonitor::new().with_recorder(metrics);
                    let backlog = monitor.watch(&other).unwrap();
                    begin.send(()).unwrap();
                    eventually("the other namespace's overflows", || {
                        monitor.sample();
                        backlog.overflows() >= 4
                    });
                    assert_eq!(
                        kernel_count("ListenOverflows"),
                        0,
                        "they are in the other namespace"
                    );
                });
            });
            monitored.recv().unwrap();
            let _clients = connect_some(&listener, 9);
            watching.join().unwrap();
        });
    });
}
