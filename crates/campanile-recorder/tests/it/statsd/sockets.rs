//! Receivers that are missing, restart, or do not read.

use std::{
    net::UdpSocket,
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use campanile_recorder::statsd::{Dsn, Statsd};

use super::support::{LONG, Running, UnixDaemon, counter, unix_path, within_long};

fn receive(socket: &UnixDatagram) -> String {
    let mut datagram = [0; 9_000];
    let length = socket
        .recv(&mut datagram)
        .expect("a datagram arrives within 10 s");
    String::from_utf8_lossy(&datagram[..length]).into_owned()
}

#[test]
fn unix_datagrams_are_the_same_as_udp_ones() {
    let daemon = UnixDaemon::new();
    let dsn = format!("unix://{}?prefix=p", daemon.path.display());
    let running = Running::start(Statsd::new(dsn.parse().unwrap()));
    counter(&running.recorder, "a", &[]).increment(1);
    counter(&running.recorder, "b", &[]).increment(2);
    running.end();
    assert_eq!(receive(&daemon.socket), "p.a:1|c\np.b:2|c");
}

#[test]
fn a_missing_udp_daemon_is_counted_and_the_first_datagram_after_its_start_arrives() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let running = Running::start(Statsd::new(Dsn::udp(&address.to_string(), "p").unwrap()));
    let calls = counter(&running.recorder, "calls", &[]);
    within_long("a refusal is counted", || {
        calls.increment(1);
        running.recorder.stats().send_errors > 0
    });
    let last = || running.recorder.stats().lines_sent;
    let before = last();
    calls.increment(1);
    within_long("another datagram is refused", || last() > before);

    let daemon = UdpSocket::bind(address).expect("the port is still free");
    daemon.set_read_timeout(Some(LONG)).unwrap();
    counter(&running.recorder, "back", &[]).increment(1);
    let mut datagram = [0; 2_000];
    let length = daemon.recv(&mut datagram).expect("the first datagram arrives");
    assert!(datagram[..length].ends_with(b"p.back:1|c"));
    running.end();
}

#[test]
fn lines_to_a_missing_unix_socket_fail_until_it_exists() {
    let path = unix_path();
    let running = Running::start(Statsd::new(Dsn::unix(&path, "p").unwrap()));
    let calls = counter(&running.recorder, "calls", &[]);
    calls.increment(1);
    within_long("the line fails", || running.recorder.stats().lines_failed == 1);
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(LONG)).unwrap();
    calls.increment(2);
    assert_eq!(receive(&daemon), "p.calls:2|c");
    // A restarted daemon has a new socket at the same path.
    drop(daemon);
    std::fs::remove_file(&path).unwrap();
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(LONG)).unwrap();
    calls.increment(3);
    assert_eq!(receive(&daemon), "p.calls:3|c");
    std::fs::remove_file(&path).unwrap();
    let counts = running.end();
    assert_eq!(
        (counts.lines_sent, counts.lines_failed, counts.send_errors),
        (2, 1, 1)
    );
}

#[test]
fn a_receiver_that_does_not_read_does_not_block_recording() {
    let daemon = UnixDaemon::new();
    let statsd = Statsd::new(Dsn::unix(&daemon.path, "p").unwrap().with_max_size(512).unwrap())
        .with_queue_size(65_536);
    let running = Running::start(statsd);
    let calls = counter(&running.recorder, "calls", &[]);
    // Until the buffer of the kernel and the queue are full.
    within_long("lines are dropped", || {
        (0..1_000).for_each(|_| calls.increment(1));
        running.recorder.stats().lines_queue_full > 0
    });
    let dropped = running.recorder.stats().lines_queue_full;
    let begin = Instant::now();
    (0..10_000).for_each(|_| calls.increment(1));
    // A datagram waits 100 ms; if events did so, this would take minutes.
    assert!(begin.elapsed() < LONG, "events waited {:?}", begin.elapsed());
    let more = running.recorder.stats().lines_queue_full - dropped;
    assert!(more > 1_000, "only {more} of 10,000 were dropped");

    // Everything that the kernel accepted arrives; the rest is counted.
    let begin = Instant::now();
    let counts = running.end();
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "the end took {:?}",
        begin.elapsed()
    );
    assert!(counts.lines_failed > 0, "{counts:?}");
    let received: usize = (0..counts.datagrams_sent)
        .map(|_| {
            receive(&daemon.socket)
                .split('\n')
                .filter(|line| *line == "p.calls:1|c")
                .count()
        })
        .sum();
    assert_eq!(received as u64, counts.lines_sent);
}

#[test]
fn a_slow_receiver_gets_everything() {
    let daemon = UnixDaemon::new();
    let statsd = Statsd::new(Dsn::unix(&daemon.path, "p").unwrap().with_max_size(512).unwrap());
    let running = Running::start(statsd);
    let calls = counter(&running.recorder, "calls", &[]);
    // Far more datagrams than a unix socket buffers, but not more than the queue.
    for _ in 0..30_000 {
        calls.increment(1);
    }
    let mut received = 0;
    while received < 30_000 {
        received += receive(&daemon.socket).split('\n').count();
    }
    let counts = running.end();
    assert_eq!((counts.lines_sent, counts.lines_failed), (30_000, 0));
}
