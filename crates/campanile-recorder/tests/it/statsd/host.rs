//! Hosts that have no address yet, lose it, or are looked up slowly.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use campanile_recorder::{
    CellRecorder,
    statsd::{Dsn, Statsd, Stop},
};

use super::support::{Daemon, LONG, Running, counter, within_long};

/// A configuration with a host name, and the prefix `p`.
fn statsd(resolver: impl Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Statsd {
    let dsn = Dsn::udp("statsd.test:8125", "p").expect("the address is valid");
    Statsd::new(dsn).with_resolver(move |host, port| {
        assert_eq!((host, port), ("statsd.test", 8125));
        resolver()
    })
}

fn no_address() -> io::Error {
    io::Error::other("Name or service not known")
}

/// Returns an address on which nothing listens.
fn closed_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback port is free");
    socket.local_addr().expect("is bound")
}

fn address(daemon: &Daemon) -> SocketAddr {
    daemon.address().parse().expect("is an address")
}

#[test]
fn service_starts_without_dns_and_its_lines_arrive_once_the_host_has_an_address() {
    let daemon = Daemon::new();
    let known = Arc::new(AtomicBool::new(false));
    let running = Running::start(statsd({
        let (known, address) = (Arc::clone(&known), address(&daemon));
        move || {
            let known = known.load(Ordering::Acquire);
            known.then(|| vec![address]).ok_or_else(no_address)
        }
    }));
    let calls = counter(&running.recorder, "calls", &[]);
    calls.increment(1);
    within_long("a lookup fails", || running.recorder.stats().lookup_errors > 0);
    calls.increment(2);
    known.store(true, Ordering::Release);
    assert_eq!(daemon.datagram(), "p.calls:1|c\np.calls:2|c");
    let stats = running.end();
    assert_eq!(
        (stats.lines_sent, stats.lines_failed, stats.lines_queue_full),
        (2, 0, 0)
    );
}

#[test]
fn unknown_host_of_the_system_is_no_error() {
    let running = Running::start(Statsd::new("udp://statsd.invalid/p".parse().unwrap()));
    counter(&running.recorder, "calls", &[]).increment(1);
    let stats = running.end();
    assert_eq!((stats.lines_sent, stats.lines_failed), (0, 1));

    let daemon = Daemon::new();
    let port = address(&daemon).port();
    let running = Running::start(Statsd::new(format!("udp://localhost:{port}/p").parse().unwrap()));
    counter(&running.recorder, "calls", &[]).increment(1);
    assert_eq!(daemon.datagram(), "p.calls:1|c");
    running.end();
}

#[test]
fn lines_beyond_the_queue_are_counted_while_there_is_no_address() {
    let running = Running::start(statsd(|| Err(no_address())).with_queue_size(1_000));
    let calls = counter(&running.recorder, "calls", &[]);
    (0..1_000).for_each(|_| calls.increment(1));
    let stats = running.end();
    assert_eq!(stats.lines_sent, 0);
    assert!(stats.lines_queue_full > 0 && stats.lines_failed > 0, "{stats:?}");
    assert_eq!(stats.lines_queue_full + stats.lines_failed, 1_000);
}

#[test]
fn host_that_moves_is_found_after_an_error() {
    let daemon = Daemon::new();
    let addresses = Arc::new(Mutex::new(vec![closed_address()]));
    let running = Running::start(statsd({
        let addresses = Arc::clone(&addresses);
        move || Ok(addresses.lock().unwrap().clone())
    }));
    let calls = counter(&running.recorder, "calls", &[]);
    within_long("a datagram is refused", || {
        calls.increment(1);
        running.recorder.stats().send_errors > 0
    });
    *addresses.lock().unwrap() = vec![address(&daemon)];
    let moved = counter(&running.recorder, "moved", &[]);
    let begin = Instant::now();
    let mut received = String::new();
    while received.is_empty() {
        assert!(begin.elapsed() < LONG, "no line arrives at the other address");
        moved.increment(1);
        received = daemon.rest().concat();
        thread::sleep(Duration::from_millis(1));
    }
    running.end();
}

#[test]
fn slow_lookup_delays_neither_lines_nor_the_end() {
    let first = closed_address();
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let begun = Arc::new(Mutex::new(0));
    let running = Running::start(statsd({
        let begun = Arc::clone(&begun);
        move || {
            *begun.lock().unwrap() += 1;
            if *begun.lock().unwrap() > 1 {
                // As if no name server responded, until the end of the test.
                let _ = held.lock().unwrap().recv();
            }
            Ok(vec![first])
        }
    }));
    let calls = counter(&running.recorder, "calls", &[]);
    within_long("the second lookup begins, after an error", || {
        calls.increment(1);
        *begun.lock().unwrap() == 2
    });
    let daemon = UdpSocket::bind(first).expect("the port is still free");
    daemon.set_read_timeout(Some(LONG)).unwrap();
    counter(&running.recorder, "back", &[]).increment(1);
    let mut datagram = [0; 2_000];
    let length = daemon.recv(&mut datagram).expect("lines go to the last address");
    assert!(length > 0);
    running.end();
    drop(release);
}

#[test]
fn end_does_not_wait_for_a_lookup_without_result() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let running = Running::start(statsd(move || {
        let _ = held.lock().unwrap().recv();
        Err(no_address())
    }));
    counter(&running.recorder, "calls", &[]).increment(1);
    let stats = running.end();
    assert_eq!(
        (stats.lines_sent, stats.lines_failed),
        (0, 1),
        "not lost silently"
    );
    drop(release);
}

#[test]
fn changes_add_up_until_the_host_has_an_address() {
    let daemon = Daemon::new();
    let known = Arc::new(AtomicBool::new(false));
    let statsd = statsd({
        let (known, address) = (Arc::clone(&known), address(&daemon));
        move || {
            let known = known.load(Ordering::Acquire);
            known.then(|| vec![address]).ok_or_else(no_address)
        }
    });
    let recorder = CellRecorder::new();
    let snapshots = recorder.clone();
    let mut flusher = statsd.flusher(move || snapshots.own_snapshot()).unwrap();
    let calls = counter(&recorder, "calls", &[]);
    for _ in 0..2 {
        calls.increment(1);
        flusher.flush();
    }
    assert!(flusher.stats().lookup_errors > 0);
    known.store(true, Ordering::Release);
    calls.increment(5);
    let begin = Instant::now();
    while flusher.stats().lines_sent == 0 {
        assert!(begin.elapsed() < LONG, "{:?}", flusher.stats());
        flusher.flush();
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(daemon.datagram(), "p.calls:7|c");
    assert_eq!(flusher.stats().lines_failed, 0);

    // On a thread as well, and the first period ends long after the lookup.
    calls.increment(1);
    let stop = Stop::new();
    stop.stop();
    flusher.run_blocking(&stop);
    assert_eq!(daemon.datagram(), "p.calls:1|c");
}

#[test]
fn resolver_that_panics_is_an_error() {
    let running = Running::start(statsd(|| panic!("in the resolver")));
    within_long("the panic is counted", || {
        running.recorder.stats().lookup_errors > 0
    });
    running.end();
}
