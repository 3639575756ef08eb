//! The changes of a period.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use campanile_recorder::{
    Distribution, Family, Labels, MetricKind, Series, Snapshot, Value,
    statsd::{Dsn, Flusher, LineFormat, Statsd, Stop},
};
use metrics::Unit;

use super::support::{Daemon, within_long};

type State = Arc<Mutex<Snapshot>>;

fn family(name: &str, kind: MetricKind, unit: Option<Unit>, series: Vec<(Labels, Value)>) -> Family {
    let mut family = Family::new(name, kind);
    family.unit = unit;
    family.series = series
        .into_iter()
        .map(|(labels, value)| Series::new(labels, value))
        .collect();
    family
}

fn labels() -> Labels {
    Labels::new([("view", "a.b"), ("host", "stock:1")])
}

fn state(count: u64, gauge: f64, observed: [u64; 2], sum: f64) -> Snapshot {
    let bounds: Arc<[f64]> = Arc::from([1.0]);
    let distribution =
        |sum| Value::Histogram(Distribution::new(Arc::clone(&bounds), Box::new(observed), sum));
    let mut snapshot = Snapshot::default();
    snapshot.families = vec![
        family(
            "requests_total",
            MetricKind::Counter,
            None,
            vec![(labels(), Value::Counter(count))],
        ),
        family(
            "runtime_open_connections",
            MetricKind::Gauge,
            None,
            vec![(Labels::new([]), Value::Gauge(gauge))],
        ),
        family(
            "latency_seconds",
            MetricKind::Histogram,
            None,
            vec![(labels(), distribution(sum))],
        ),
        family(
            "size",
            MetricKind::Histogram,
            Some(Unit::Bytes),
            vec![(Labels::new([]), distribution(sum))],
        ),
    ];
    snapshot
}

fn flusher(statsd: Statsd) -> (State, Flusher<impl FnMut() -> Snapshot>) {
    let state = State::default();
    let flusher = statsd
        .flusher({
            let state = Arc::clone(&state);
            move || state.lock().expect("no test panics with the lock").clone()
        })
        .expect("a socket can be opened");
    (state, flusher)
}

#[test]
fn each_period_sends_changes_and_all_gauges() {
    let daemon = Daemon::new();
    let (shown, mut flusher) = flusher(daemon.statsd());
    *shown.lock().unwrap() = state(3, 0.0, [1, 1], 2.5);
    flusher.flush();
    assert_eq!(
        daemon.datagram(),
        "p.requests.stock-1.a.b:3|c\n\
         p.runtime.open.connections:0|g\n\
         p.latency.seconds.stock-1.a.b.count:2|c\n\
         p.latency.seconds.stock-1.a.b.sum:2500.000000|c\n\
         p.size.count:2|c\n\
         p.size.sum:2.5|c"
    );
    flusher.flush();
    assert_eq!(daemon.datagram(), "p.runtime.open.connections:0|g");
    *shown.lock().unwrap() = state(5, -2.0, [2, 1], 2.75);
    flusher.flush();
    assert_eq!(
        daemon.datagram(),
        "p.requests.stock-1.a.b:2|c\n\
         p.runtime.open.connections:0|g\n\
         p.runtime.open.connections:-2|g\n\
         p.latency.seconds.stock-1.a.b.count:1|c\n\
         p.latency.seconds.stock-1.a.b.sum:250.000000|c\n\
         p.size.count:1|c\n\
         p.size.sum:0.25|c"
    );
    // After a restart everything is new.
    *shown.lock().unwrap() = state(1, 1.0, [1, 0], 0.5);
    flusher.flush();
    assert_eq!(
        daemon.datagram(),
        "p.requests.stock-1.a.b:1|c\n\
         p.runtime.open.connections:1|g\n\
         p.latency.seconds.stock-1.a.b.count:1|c\n\
         p.latency.seconds.stock-1.a.b.sum:500.000000|c\n\
         p.size.count:1|c\n\
         p.size.sum:0.5|c"
    );
    assert_eq!(flusher.stats().lines_sent, 6 + 1 + 7 + 6);
}

#[test]
fn tags_follow_the_complete_name() {
    for (format, expected) in [
        (
            LineFormat::CommaTags,
            "p.requests_total,PID=7,host=stock-1,view=a.b:1|c\n\
             p.runtime_open_connections,PID=7:0|g\n\
             p.latency_seconds.count,PID=7,host=stock-1,view=a.b:1|c\n\
             p.latency_seconds.sum,PID=7,host=stock-1,view=a.b:500|c\n\
             p.size.count,PID=7:1|c\n\
             p.size.sum,PID=7:0.5|c",
        ),
        (
            LineFormat::DogStatsd,
            "p.requests_total:1|c|#PID:7,host:stock-1,view:a.b\n\
             p.runtime_open_connections:0|g|#PID:7\n\
             p.latency_seconds.count:1|c|#PID:7,host:stock-1,view:a.b\n\
             p.latency_seconds.sum:500|c|#PID:7,host:stock-1,view:a.b\n\
             p.size.count:1|c|#PID:7\n\
             p.size.sum:0.5|c|#PID:7",
        ),
    ] {
        let daemon = Daemon::new();
        let (shown, mut flusher) = flusher(daemon.statsd().with_format(format).with_tag("PID", "7"));
        *shown.lock().unwrap() = state(1, 0.0, [1, 0], 0.5);
        flusher.flush();
        assert_eq!(daemon.datagram(), expected);
    }
}

#[test]
fn families_can_be_renamed_and_left_out() {
    let daemon = Daemon::new();
    let statsd = daemon
        .statsd()
        .with_format(LineFormat::CommaTags)
        .with_tag("hostname", "h")
        .with_tag("PID", "7");
    let (shown, flusher) = flusher(statsd);
    let mut flusher = flusher.with_names(|family| {
        let name = family.name.strip_prefix("runtime_")?;
        Some(format!("runtime.{name}").into())
    });
    *shown.lock().unwrap() = state(1, 4.0, [1, 0], 0.5);
    flusher.flush();
    assert_eq!(
        daemon.datagram(),
        "p.runtime.open_connections,hostname=h,PID=7:4|g"
    );
}

#[test]
fn counts_before_the_baseline_are_not_sent() {
    let daemon = Daemon::new();
    let shown = State::new(Mutex::new(state(100, 0.0, [50, 0], 1.0)));
    let mut flusher = daemon
        .statsd()
        .flusher(|| shown.lock().unwrap().clone())
        .unwrap()
        .with_current_baseline();
    *shown.lock().unwrap() = state(101, 0.0, [50, 0], 1.0);
    flusher.flush();
    assert_eq!(
        daemon.datagram(),
        "p.requests.stock-1.a.b:1|c\np.runtime.open.connections:0|g"
    );
}

#[test]
fn a_series_missing_from_one_snapshot_continues_where_it_was() {
    let daemon = Daemon::new();
    let (shown, mut flusher) = flusher(daemon.statsd());
    *shown.lock().unwrap() = state(100, 0.0, [50, 0], 1.0);
    flusher.flush();
    daemon.datagram();
    *shown.lock().unwrap() = Snapshot::default();
    flusher.flush();
    *shown.lock().unwrap() = state(103, 0.0, [50, 0], 1.0);
    flusher.flush();
    assert_eq!(
        daemon.datagram(),
        "p.requests.stock-1.a.b:3|c\np.runtime.open.connections:0|g"
    );
}

#[test]
fn slow_flushes_do_not_shift_wall_clock_periods() {
    let daemon = Daemon::new();
    let statsd = daemon
        .statsd()
        .with_period(Duration::from_millis(500))
        .with_wall_clock_periods(true);
    let begun = Arc::new(Mutex::new(Vec::new()));
    let flusher = statsd
        .flusher({
            let begun = Arc::clone(&begun);
            move || {
                let phase = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() % 500;
                begun.lock().unwrap().push(phase);
                // Like a snapshot of many files.
                thread::sleep(Duration::from_millis(200));
                Snapshot::default()
            }
        })
        .unwrap();
    let stop = Stop::new();
    let thread = thread::spawn({
        let stop = stop.clone();
        move || flusher.run_blocking(&stop)
    });
    within_long("four periods have ended", || begun.lock().unwrap().len() >= 4);
    let begun = begun.lock().unwrap().clone();
    stop.stop();
    within_long("the flusher ends", || thread.is_finished());
    // A busy machine may be late, but not every time; shifted periods would all be 200 ms late.
    assert!(begun[1..].iter().any(|late| *late < 100), "{begun:?}");
}

#[test]
fn many_series_fill_many_datagrams_and_a_long_line_is_counted() {
    let daemon = Daemon::new();
    let dsn = Dsn::udp(&daemon.address(), "")
        .unwrap()
        .with_max_size(512)
        .unwrap();
    let mut families: Vec<_> = (0..100)
        .map(|index| {
            let series = vec![(Labels::new([]), Value::Gauge(f64::from(index)))];
            family(&format!("gauge_{index:03}"), MetricKind::Gauge, None, series)
        })
        .collect();
    let series = |value| vec![(Labels::new([]), Value::Gauge(value))];
    families.push(family(&"x".repeat(600), MetricKind::Gauge, None, series(1.0)));
    families.push(family("y", MetricKind::Gauge, None, series(f64::NAN)));
    families.push(family("z", MetricKind::Gauge, None, series(1.0)));
    let mut snapshot = Snapshot::default();
    snapshot.families = families;
    let mut flusher = Statsd::new(dsn).flusher(|| snapshot.clone()).unwrap();
    flusher.flush();
    let lines = daemon.lines_until("z:1|g");
    assert_eq!(lines.len(), 101);
    let stats = flusher.stats();
    assert_eq!(
        (stats.lines_sent, stats.lines_too_long, stats.lines_not_finite),
        (101, 1, 1)
    );
}

#[test]
fn a_running_flusher_flushes_each_wall_clock_period_and_at_the_end() {
    let daemon = Daemon::new();
    let statsd = daemon
        .statsd()
        .with_period(Duration::from_millis(500))
        .with_wall_clock_periods(true);
    let (shown, flusher) = flusher(statsd);
    *shown.lock().unwrap() = state(1, 0.0, [0, 0], 0.0);
    let phase = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() % 500;
    // Started in the middle, so that periods from here would end in the middle.
    within_long("half a period has passed", || (200..300).contains(&phase()));
    let stop = Stop::new();
    let thread = thread::spawn({
        let stop = stop.clone();
        move || flusher.run_blocking(&stop)
    });
    let late = [(); 3].map(|()| {
        daemon.datagram();
        phase()
    });
    // A busy machine may be late, but not every time.
    assert!(late.iter().any(|late| *late < 150), "{late:?}");
    *shown.lock().unwrap() = state(9, 0.0, [0, 0], 0.0);
    stop.stop();
    within_long("the flusher ends", || thread.is_finished());
    let rest = daemon.rest();
    assert_eq!(
        rest.iter()
            .filter(|datagram| datagram.starts_with("p.requests.stock-1.a.b:8|c"))
            .count(),
        1,
        "{rest:?}"
    );
}
