//! The size limit of datagrams.

use campanile_recorder::statsd::{Dsn, Statsd};

use super::support::{Daemon, Running, counter, gauge};

fn statsd(daemon: &Daemon, size: usize) -> Statsd {
    let dsn = Dsn::udp(&daemon.address(), "").expect("the address is valid");
    Statsd::new(dsn.with_max_size(size).unwrap())
}

#[test]
fn lines_fill_a_datagram_to_the_last_byte() {
    let daemon = Daemon::new();
    let (recorder, sender) = statsd(&daemon, 512).recorder().unwrap();
    // 100 + 1 + 411 bytes.
    let names = ["a".repeat(96), "b".repeat(407), "c".repeat(4)];
    for name in &names {
        counter(&recorder, name, &[]).increment(1);
    }
    let stats = Running::send(recorder, sender).end();
    let first = daemon.datagram();
    assert_eq!(first, format!("{}:1|c\n{}:1|c", names[0], names[1]));
    assert_eq!(first.len(), 512);
    assert_eq!(daemon.datagram(), "cccc:1|c");
    assert_eq!((stats.datagrams_sent, stats.lines_sent), (2, 3));
}

#[test]
fn one_byte_more_starts_the_next_datagram() {
    let daemon = Daemon::new();
    let (recorder, sender) = statsd(&daemon, 512).recorder().unwrap();
    let names = ["a".repeat(96), "b".repeat(408)];
    for name in &names {
        counter(&recorder, name, &[]).increment(1);
    }
    Running::send(recorder, sender).end();
    assert_eq!(daemon.datagram(), format!("{}:1|c", names[0]));
    assert_eq!(daemon.datagram(), format!("{}:1|c", names[1]));
}

#[test]
fn a_line_longer_than_a_datagram_is_dropped() {
    let daemon = Daemon::new();
    let running = Running::start(statsd(&daemon, 512));
    let fits = "f".repeat(508);
    counter(&running.recorder, &"t".repeat(509), &[]).increment(1);
    counter(&running.recorder, &fits, &[]).increment(1);
    let stats = running.end();
    assert_eq!(daemon.datagram(), format!("{fits}:1|c"));
    assert_eq!((stats.lines_too_long, stats.lines_sent), (1, 1));
    assert_eq!(daemon.rest(), [""; 0]);
}

#[test]
fn a_negative_gauge_is_in_one_datagram_with_its_zero() {
    for filler in 480..512 {
        let daemon = Daemon::new();
        let (recorder, sender) = statsd(&daemon, 512).recorder().unwrap();
        let name = "f".repeat(filler - 4);
        counter(&recorder, &name, &[]).increment(1);
        gauge(&recorder, "gauge", &[]).set(-1);
        let stats = Running::send(recorder, sender).end();
        let mut datagram = daemon.datagram();
        if !datagram.contains("gauge") {
            datagram = daemon.datagram();
        }
        assert!(datagram.ends_with("gauge:0|g\ngauge:-1|g"), "{datagram}");
        assert_eq!(stats.lines_sent, 3);
    }
}

#[test]
fn the_largest_datagram_of_udp_is_sent() {
    let daemon = Daemon::new();
    let running = Running::start(statsd(&daemon, 65_507));
    counter(&running.recorder, &"x".repeat(65_503), &[]).increment(1);
    let stats = running.end();
    assert_eq!((stats.lines_sent, stats.lines_failed), (1, 0));
    assert_eq!(daemon.datagram().len(), 65_507);
}
