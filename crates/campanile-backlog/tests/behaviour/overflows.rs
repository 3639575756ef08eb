//! What is counted when a queue is full, beside what the kernel counts; and what is dropped for other reasons.

use campanile_backlog::BacklogMonitor;
use socket2::{SockFilter, Socket};

use crate::support::namespace::{in_namespace, in_namespace_within, kernel_count};
use crate::support::queue::{connect_some, eventually, listen, listen_sharing_port};
use crate::support::seen::{self, Seen};

fn overflows(seen: &Seen, label: &str) -> u64 {
    seen.value(&format!("listener_backlog_overflows_total{{listener={label}}}"))
        .unwrap_or_else(|| panic!("no overflows of {label} in {:?}", seen.names())) as u64
}

/// Samples while the kernel's own count stands still, and returns it: clients that hang try again at any time.
fn sample_at_rest(monitor: &mut BacklogMonitor) -> u64 {
    loop {
        let before = kernel_count("ListenOverflows");
        monitor.sample();
        if kernel_count("ListenOverflows") == before {
            return before;
        }
    }
}

/// Drops all that comes, as a stop does it.
fn deafen(listener: &Socket) {
    const RETURN: u16 = 0x06;
    listener
        .attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
        .unwrap();
}

fn filtered(listener: &Socket, clients: usize) -> Vec<Socket> {
    let dropped = || {
        let text = crate::support::namespace::run("ss", &["-ltnHm"]).unwrap();
        // `skmem:(…,d3)`: the third client's SYN was dropped by now.
        text.split(",d")
            .skip(1)
            .filter_map(|rest| rest.split(')').next()?.parse::<usize>().ok())
            .max()
            .unwrap_or(0)
    };
    let before = dropped();
    let clients_there = connect_some(listener, clients);
    eventually("SYNs to be dropped by the filter", || {
        dropped() >= before + clients
    });
    clients_there
}

fn counts(address: &'static str) {
    in_namespace(move || {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listener = listen(address, 4);
        let begin = kernel_count("ListenOverflows");
        let backlog = monitor.watch(&listener).unwrap();
        let mut clients = connect_some(&listener, 5);
        sample_at_rest(&mut monitor);
        assert_eq!(overflows(seen, address), 0, "limit and one more fit");
        // Beyond a second the first clients try again, which counts too.
        for more in [1, 3, 10, 0] {
            clients.extend(connect_some(&listener, more));
            let kernel = sample_at_rest(&mut monitor) - begin;
            assert!(kernel > 0, "the kernel dropped nothing");
            assert_eq!(overflows(seen, address), kernel);
            assert_eq!(backlog.overflows(), kernel);
            std::thread::sleep(std::time::Duration::from_millis(if more == 10 {
                1_200
            } else {
                0
            }));
        }
        assert_eq!(
            seen.value("listener_backlog_namespace_overflows_total"),
            Some(overflows(seen, address) as f64)
        );
        assert_eq!(
            seen.value("listener_backlog_namespace_drops_total"),
            Some(kernel_count("ListenDrops") as f64)
        );
    });
}

#[test]
fn ipv4_overflows_are_the_kernel_s() {
    counts("127.0.0.1:8080");
}

#[test]
fn ipv6_overflows_are_the_kernel_s() {
    counts("[::1]:8080");
}

#[test]
fn overflows_of_a_port_that_is_shared_add_up_to_the_kernel_s() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listeners = [(); 2].map(|()| listen_sharing_port("127.0.0.1:8080", 2));
        let begin = kernel_count("ListenOverflows");
        for listener in &listeners {
            monitor.watch(listener).unwrap();
        }
        let both = |seen: &Seen| ["127.0.0.1:8080", "127.0.0.1:8080#1"].map(|label| overflows(seen, label));
        let mut clients = Vec::new();
        loop {
            clients.extend(connect_some(&listeners[0], 2));
            let kernel = sample_at_rest(&mut monitor) - begin;
            let each = both(seen);
            assert_eq!(each.iter().sum::<u64>(), kernel, "{each:?}");
            if each.iter().all(|count| *count > 2) {
                break;
            }
            assert!(clients.len() < 1_000, "chance never overflowed both: {each:?}");
        }
    });
}

#[test]
fn only_the_listener_that_overflows_counts() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let (full, empty) = (listen("127.0.0.1:1", 1), listen("127.0.0.1:2", 1));
        monitor.watch(&full).unwrap();
        monitor.watch(&empty).unwrap();
        let _clients = connect_some(&full, 7);
        let kernel = sample_at_rest(&mut monitor);
        assert_eq!(
            (overflows(seen, "127.0.0.1:1"), overflows(seen, "127.0.0.1:2")),
            (kernel, 0)
        );
    });
}

#[test]
fn what_happened_before_the_listener_was_watched_is_not_counted() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listener = listen("127.0.0.1:8080", 1);
        let _clients = connect_some(&listener, 9);
        let begin = kernel_count("ListenOverflows");
        assert!(begin > 0, "the kernel dropped nothing");
        monitor.watch(&listener).unwrap();
        let kernel = sample_at_rest(&mut monitor) - begin;
        assert_eq!(overflows(seen, "127.0.0.1:8080"), kernel);
    });
}

#[test]
fn what_a_filter_drops_is_no_overflow() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listener = listen("127.0.0.1:8080", 4);
        monitor.watch(&listener).unwrap();
        monitor.sample();
        deafen(&listener);
        let _clients = filtered(&listener, 6);
        monitor.sample();
        assert_eq!(overflows(seen, "127.0.0.1:8080"), 0);
    });
}

#[test]
fn what_a_filter_drops_is_no_overflow_though_another_listener_overflows_meanwhile() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let (deaf, full) = (listen("127.0.0.1:1", 4), listen("127.0.0.1:2", 1));
        monitor.watch(&deaf).unwrap();
        monitor.watch(&full).unwrap();
        deafen(&deaf);
        let _there = (filtered(&deaf, 6), connect_some(&full, 9));
        let kernel = sample_at_rest(&mut monitor);
        assert_eq!(
            (overflows(seen, "127.0.0.1:1"), overflows(seen, "127.0.0.1:2")),
            (0, kernel)
        );
    });
}

#[test]
fn what_a_filter_dropped_is_no_overflow_when_it_is_gone_by_the_time_of_the_sample() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listener = listen("127.0.0.1:8080", 4);
        monitor.watch(&listener).unwrap();
        deafen(&listener);
        let clients = filtered(&listener, 6);
        listener.detach_filter().unwrap();
        monitor.sample();
        assert_eq!(overflows(seen, "127.0.0.1:8080"), 0);
        drop(clients);
        // And from then on it counts again.
        let _clients = connect_some(&listener, 9);
        let kernel = sample_at_rest(&mut monitor);
        assert!(kernel > 0, "the kernel dropped nothing");
        assert_eq!(overflows(seen, "127.0.0.1:8080"), kernel);
    });
}

#[test]
fn a_filter_that_is_gone_is_not_held_against_what_comes_after() {
    in_namespace(|| {
        let seen = seen::recorder();
        let mut monitor = BacklogMonitor::new().with_recorder(seen);
        let listener = listen("127.0.0.1:8080", 4);
        monitor.watch(&listener).unwrap();
        deafen(&listener);
        drop(filtered(&listener, 6));
        monitor.sample();
        listener.detach_filter().unwrap();
        monitor.sample();
        let _clients = connect_some(&listener, 9);
        let kernel = sample_at_rest(&mut monitor);
        assert!(kernel > 0, "the kernel dropped nothing");
        assert_eq!(overflows(seen, "127.0.0.1:8080"), kernel);
    });
}

#[test]
fn a_listener_of_another_namespace_is_not_held_to_the_counts_of_this_one() {
    in_namespace(|| {
        let listener = listen("127.0.0.1:8080", 4);
        let other = listener.try_clone().unwrap();
        let (begin, monitored) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let watching = scope.spawn(move || {
                let seen = seen::recorder();
                in_namespace_within(move || {
                    let mut monitor = BacklogMonitor::new().with_recorder(seen);
                    let backlog = monitor.watch(&other).unwrap();
                    begin.send(()).unwrap();
                    eventually("the other namespace's overflows", || {
                        monitor.sample();
                        backlog.overflows() >= 4
                    });
                    assert_eq!(
                        kernel_count("ListenOverflows"),
                        0,
                        "they are not this namespace's"
                    );
                });
            });
            monitored.recv().unwrap();
            let _clients = connect_some(&listener, 9);
            watching.join().unwrap();
        });
    });
}
