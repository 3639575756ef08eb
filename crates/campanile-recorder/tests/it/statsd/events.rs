//! A line per event.

use std::{
    thread,
    time::{Duration, Instant},
};

use campanile_recorder::statsd::{Dsn, LineFormat, Statsd};
use metrics::{Recorder, Unit};

use super::support::{Daemon, LONG, Running, counter, gauge, histogram, within_long};

const LABELS: [(&str, &str); 2] = [("host", "stock-local"), ("view", "views.ok")];

/// Records each kind of metric.
fn record(recorder: &dyn Recorder) {
    recorder.describe_histogram("pause".into(), Some(Unit::Microseconds), "".into());
    counter(recorder, "requests_count_total", &LABELS).increment(1);
    histogram(recorder, "requests_latency_seconds", &LABELS).record(0.07);
    histogram(recorder, "pause", &[]).record(1_234_567.0);
    histogram(recorder, "response_size_bytes", &[]).record(1_234_567.0);
    counter(recorder, "bytes_total", &[]).increment(1_234_567);
    let active = gauge(recorder, "active_requests", &LABELS[..1]);
    active.increment(2);
    active.decrement(2);
    active.set(0.5);
    active.set(-5);
}

fn datagram(daemon: &Daemon, statsd: Statsd) -> String {
    let running = Running::start(statsd);
    record(&running.recorder);
    let stats = running.end();
    let datagram = daemon.datagram();
    assert_eq!(stats.lines_sent as usize, datagram.split('\n').count());
    assert_eq!(stats.datagrams_sent, 1);
    assert_eq!(daemon.rest(), [""; 0]);
    datagram
}

#[test]
fn dotted_lines_have_the_values_of_labels_as_parts() {
    let daemon = Daemon::new();
    assert_eq!(
        datagram(&daemon, daemon.statsd().with_tag("hostname", "left-out")),
        "p.requests.count.stock-local.views.ok:1|c\n\
         p.requests.latency.seconds.stock-local.views.ok:70.000000|ms\n\
         p.pause:1234.567000|ms\n\
         p.response.size.bytes:1234567|h\n\
         p.bytes:1234567|c\n\
         p.active.requests.stock-local:2|g\n\
         p.active.requests.stock-local:0|g\n\
         p.active.requests.stock-local:0.5|g\n\
         p.active.requests.stock-local:0|g\n\
         p.active.requests.stock-local:-5|g"
    );
}

#[test]
fn comma_lines_have_tags_in_the_name_and_six_digits() {
    let daemon = Daemon::new();
    let statsd = daemon
        .statsd()
        .with_format(LineFormat::CommaTags)
        .with_tag("hostname", "a=b,c")
        .with_tag("PID", "7");
    assert_eq!(
        datagram(&daemon, statsd),
        "p.requests_count_total,hostname=a-b-c,PID=7,host=stock-local,view=views.ok:1|c\n\
         p.requests_latency_seconds,hostname=a-b-c,PID=7,host=stock-local,view=views.ok:70|ms\n\
         p.pause,hostname=a-b-c,PID=7:1234.57|ms\n\
         p.response_size_bytes,hostname=a-b-c,PID=7:1.23457e+06|h\n\
         p.bytes_total,hostname=a-b-c,PID=7:1.23457e+06|c\n\
         p.active_requests,hostname=a-b-c,PID=7,host=stock-local:2|g\n\
         p.active_requests,hostname=a-b-c,PID=7,host=stock-local:0|g\n\
         p.active_requests,hostname=a-b-c,PID=7,host=stock-local:0.5|g\n\
         p.active_requests,hostname=a-b-c,PID=7,host=stock-local:0|g\n\
         p.active_requests,hostname=a-b-c,PID=7,host=stock-local:-5|g"
    );
}

#[test]
fn datadog_lines_have_tags_at_the_end_and_negative_gauges_in_one_line() {
    let daemon = Daemon::new();
    let statsd = daemon
        .statsd()
        .with_format(LineFormat::DogStatsd)
        .with_tag("host", "gives-way")
        .with_tag("pid", "7");
    let daemon_sees = datagram(&daemon, statsd);
    assert_eq!(
        daemon_sees,
        "p.requests_count_total:1|c|#pid:7,host:stock-local,view:views.ok\n\
         p.requests_latency_seconds:70|ms|#pid:7,host:stock-local,view:views.ok\n\
         p.pause:1234.567|ms|#host:gives-way,pid:7\n\
         p.response_size_bytes:1234567|h|#host:gives-way,pid:7\n\
         p.bytes_total:1234567|c|#host:gives-way,pid:7\n\
         p.active_requests:2|g|#pid:7,host:stock-local\n\
         p.active_requests:0|g|#pid:7,host:stock-local\n\
         p.active_requests:0.5|g|#pid:7,host:stock-local\n\
         p.active_requests:-5|g|#pid:7,host:stock-local"
    );
}

#[test]
fn labels_that_would_break_a_line_are_escaped() {
    for (format, expected) in [
        (LineFormat::Dotted, "p.calls.--1.a,b=c/d.unknown.-e-.caf-:1|c"),
        (
            LineFormat::CommaTags,
            "p.calls,host=--1,view=a-b-c/d,none=unknown,odd=-e-,more=caf-:1|c",
        ),
        (
            LineFormat::DogStatsd,
            "p.calls:1|c|#host:--1,view:a-b=c/d,none:unknown,odd:-e-,more:caf-",
        ),
    ] {
        let daemon = Daemon::new();
        let running = Running::start(daemon.statsd().with_format(format));
        let labels = [
            ("host", "::1"),
            ("view", "a,b=c/d"),
            ("none", ""),
            ("odd", "|e\n"),
            ("more", "caf\u{e9}"),
        ];
        counter(&running.recorder, "calls", &labels).increment(1);
        running.end();
        assert_eq!(daemon.datagram(), expected);
    }
}

#[test]
fn names_without_a_prefix_have_no_leading_dot() {
    let daemon = Daemon::new();
    let dsn = format!("udp://{}", daemon.address());
    let running = Running::start(Statsd::new(dsn.parse().unwrap()));
    counter(&running.recorder, "a_total", &[]).increment(0);
    running.end();
    assert_eq!(daemon.datagram(), "a:0|c");
}

#[test]
fn an_absolute_count_sends_the_difference() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    let one = counter(&running.recorder, "calls", &[]);
    let same = counter(&running.recorder, "calls", &[]);
    one.increment(2);
    same.absolute(10);
    one.absolute(9);
    one.absolute(10);
    one.absolute(11);
    running.end();
    assert_eq!(daemon.datagram(), "p.calls:2|c\np.calls:8|c\np.calls:1|c");
}

#[test]
fn values_that_are_not_finite_are_counted_and_not_sent() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    gauge(&running.recorder, "g", &[]).set(f64::NAN);
    histogram(&running.recorder, "h_seconds", &[]).record(f64::INFINITY);
    counter(&running.recorder, "last", &[]).increment(1);
    assert_eq!(running.end().lines_not_finite, 2);
    assert_eq!(daemon.datagram(), "p.last:1|c");
}

#[test]
fn a_unit_described_after_registration_is_used() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    let handle = histogram(&running.recorder, "pause", &[]);
    handle.record(2.0);
    let recorder: &dyn Recorder = &running.recorder;
    recorder.describe_histogram("pause".into(), Some(Unit::Seconds), "".into());
    handle.record(2.0);
    running.end();
    assert_eq!(daemon.datagram(), "p.pause:2|h\np.pause:2000.000000|ms");
}

#[test]
fn a_single_event_is_sent_without_further_events() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    let counter = counter(&running.recorder, "calls", &[]);
    // The first meets a starting sender, the others a parked one.
    for _ in 0..3 {
        let begin = Instant::now();
        counter.increment(1);
        assert_eq!(daemon.datagram(), "p.calls:1|c");
        // Typically 50 ms, at most 100 ms; the rest is for a busy machine.
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
    running.end();
}

#[test]
fn a_full_datagram_is_sent_at_once() {
    let daemon = Daemon::new();
    let dsn = Dsn::udp(&daemon.address(), "p")
        .unwrap()
        .with_max_size(512)
        .unwrap();
    let running = Running::start(Statsd::new(dsn));
    let calls = counter(&running.recorder, "calls", &[]);
    let begin = Instant::now();
    let mut lines = 0;
    for round in 1..=20 {
        // 43 lines of 12 bytes, of which the first starts the delay. 42 fit.
        calls.increment(1);
        thread::sleep(Duration::from_millis(2));
        (0..42).for_each(|_| calls.increment(1));
        while lines < round * 42 {
            lines += daemon.datagram().split('\n').count();
        }
    }
    // About 50 ms; with a delay for each full datagram it would be a second.
    assert!(
        begin.elapsed() < Duration::from_millis(800),
        "{:?}",
        begin.elapsed()
    );
    running.end();
}

#[test]
fn events_keep_their_order_across_datagrams() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    let values = gauge(&running.recorder, "g", &[]);
    let mut expected = Vec::new();
    // Few enough for the buffer of the socket, so that none is lost before this thread reads.
    for value in 0..2_000 {
        values.set(f64::from(value));
        expected.push(format!("p.g:{value}|g"));
    }
    assert_eq!(daemon.lines_until("p.g:1999|g"), expected);
    let stats = running.end();
    assert_eq!(stats.lines_sent, 2_000);
    assert!(stats.datagrams_sent >= 2_000 * 9 / 1432, "{stats:?}");
}

#[test]
fn a_gauge_changed_by_many_threads_ends_at_its_true_value() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Each thread registers a handle, as macros do.
                let active = gauge(&running.recorder, "active", &[]);
                for _ in 0..500 {
                    active.increment(1);
                    active.decrement(1);
                }
            });
        }
    });
    let stats = running.end();
    assert_eq!(stats.lines_sent, 4_000);
    let mut lines = Vec::new();
    while lines.len() < 4_000 {
        lines.extend(daemon.datagram().split('\n').map(str::to_owned));
    }
    assert_eq!(lines.last().map(String::as_str), Some("p.active:0|g"));
    // Consecutive lines differ by one.
    let values = lines.iter().map(|line| {
        let value = line
            .strip_prefix("p.active:")
            .and_then(|line| line.strip_suffix("|g"));
        value.expect(line).parse::<i64>().expect(line)
    });
    values.fold(0, |before, value| {
        assert_eq!((value - before).abs(), 1);
        value
    });
}

#[test]
fn gauges_are_repeated_each_period_including_zero() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd().with_period(Duration::from_millis(100)));
    let steady = gauge(&running.recorder, "steady", &[]);
    steady.set(3);
    let _untouched = gauge(&running.recorder, "untouched", &[]);
    let mut lines: Vec<String> = Vec::new();
    while lines.len() < 9 {
        lines.extend(daemon.datagram().split('\n').map(str::to_owned));
    }
    for gauge in ["p.steady:3|g", "p.untouched:0|g"] {
        let times = lines.iter().filter(|line| *line == gauge).count();
        assert!(times > 2, "{lines:?}");
    }
    running.end();
}

#[test]
fn events_before_the_sender_runs_are_sent() {
    let daemon = Daemon::new();
    let (recorder, sender) = daemon.statsd().recorder().unwrap();
    counter(&recorder, "early", &[]).increment(1);
    let running = Running::send(recorder, sender);
    assert_eq!(daemon.datagram(), "p.early:1|c");
    running.end();
}

#[test]
fn events_after_the_sender_has_ended_are_dropped_and_counted() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    let recorder = running.recorder.clone();
    let counter = counter(&recorder, "calls", &[]);
    counter.increment(1);
    let stats = running.end();
    assert_eq!((stats.lines_sent, stats.lines_queue_full), (1, 0));
    counter.increment(1);
    assert_eq!(recorder.stats().lines_queue_full, 1);

    let (recorder, sender) = daemon.statsd().recorder().unwrap();
    drop(sender);
    counter_of(&recorder);
    assert_eq!(recorder.stats().lines_queue_full, 1, "a sender that never ran");
}

fn counter_of(recorder: &dyn Recorder) {
    counter(recorder, "calls", &[]).increment(1);
}

#[test]
fn stopping_does_not_wait_for_the_period() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd().with_period(LONG * 100));
    counter(&running.recorder, "calls", &[]).increment(1);
    assert_eq!(daemon.datagram(), "p.calls:1|c");
    // The sender is parked for 1000 s unless the stop wakes it.
    within_long("the line is counted", || running.recorder.stats().lines_sent == 1);
    running.end();
}

#[test]
fn more_gauges_than_fit_into_the_queue_are_all_repeated() {
    let daemon = Daemon::new();
    let statsd = daemon
        .statsd()
        .with_queue_size(10_000)
        .with_period(Duration::from_millis(100));
    let (recorder, sender) = statsd.recorder().unwrap();
    let _gauges: Vec<_> = (0..2_000)
        .map(|index| gauge(&recorder, &format!("gauge.of.a.service.{index}"), &[]))
        .collect();
    let running = Running::send(recorder.clone(), sender);
    // UDP does not report that the daemon does not read.
    within_long("all gauges were sent", || {
        let stats = recorder.stats();
        stats.lines_sent + stats.lines_queue_full >= 2_000
    });
    let stats = running.end();
    assert_eq!(stats.lines_queue_full, 0, "{stats:?}");
}
