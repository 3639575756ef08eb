//! The statsd recorder as the only one of the process. In a binary of its own, since a process has one global recorder.

#![cfg(all(unix, feature = "statsd"))]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

use std::{net::UdpSocket, thread, time::Duration};

use campanile_recorder::statsd::{Dsn, Statsd, Stop};

#[test]
fn counts_of_lines_are_sent_as_lines() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let dsn = Dsn::udp(&daemon.local_addr().unwrap().to_string(), "p").unwrap();
    let (recorder, sender) = Statsd::new(dsn)
        .with_period(Duration::from_millis(20))
        .recorder()
        .unwrap();
    let stop = Stop::new();
    let sending = thread::spawn({
        let stop = stop.clone();
        move || sender.run_blocking(&stop)
    });
    // Before the recorder is installed: the count is kept for it.
    metrics::with_local_recorder(&recorder, || {
        metrics::histogram!("h").record(f64::NAN);
        metrics::counter!("c".repeat(2_000)).increment(3);
    });
    metrics::set_global_recorder(recorder.clone()).unwrap();

    let begin = std::time::Instant::now();
    let mut lines = Vec::new();
    let expected = [
        "p.campanile.statsd.lines.dropped.not_finite:1|c",
        "p.campanile.statsd.lines.dropped.too_long:1|c",
    ];
    while !expected
        .iter()
        .all(|line| lines.iter().any(|other| other == line))
    {
        assert!(begin.elapsed() < Duration::from_secs(10), "{lines:?}");
        let mut datagram = [0; 2_000];
        let length = daemon.recv(&mut datagram).expect("the counts arrive within 10 s");
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        lines.extend(text.split('\n').map(str::to_owned));
    }
    stop.stop();
    sending.join().unwrap();
    let stats = recorder.stats();
    assert_eq!((stats.lines_not_finite, stats.lines_too_long), (1, 1));
    assert_eq!(
        stats.lines_queue_full, 0,
        "lines about lines are not losses: {stats:?}"
    );
}
