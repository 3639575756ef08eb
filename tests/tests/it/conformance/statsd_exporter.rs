//! The exact lines that metrics-exporter-statsd sends for scripted traffic.
//!
//! It drops, because of statsd or by its design:
//! - gauges that are incremented and decremented (`http_server_active_requests`, `…_open_connections`), because it keeps
//!   no values; gauges that are set are sent, and a `StatefulRecorder` around it provides the others;
//! - counters that are set to an absolute value; the layers have none;
//! - help and units;
//! - fractions of milliseconds, where histograms are sent as timers; here they are sent as histograms.

use std::{thread, time::Duration};

use campanile_tests::{
    client::TestRequest,
    process::{Process, wait_until},
};

use super::{
    normalize::{assert_golden, read_golden},
    start_service,
    statsd_daemon::StatsdDaemon,
    traffic::{completed, outgoing},
};

/// The sorted lines with their counts; `T` for values that are times.
const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/conformance/statsd_exporter.golden"
);

/// Returns whether a line is sent with each sample of the accept queue.
fn is_sampled(line: &str) -> bool {
    line.contains("listener_backlog_") && !line.contains("wait_seconds")
}

/// Returns the received lines in the golden form.
fn normalize(daemon: &StatsdDaemon, service: &Process) -> String {
    let mut lines: Vec<_> = daemon
        .lines()
        .iter()
        .filter(|line| !is_sampled(line))
        .map(|line| {
            let line = line.replace(service.address(), "LISTENER");
            match line.split_once(':') {
                Some((name, rest)) if name.ends_with("_seconds") => {
                    let rest = rest.split_once('|').map_or("", |(_, rest)| rest);
                    format!("{name}:T|{rest}")
                }
                _ => line,
            }
        })
        .collect();
    lines.sort();
    let counted = lines.chunk_by(|one, other| one == other);
    counted
        .map(|same| format!("{} x {}\n", same.len(), same[0]))
        .collect()
}

#[test]
fn datagrams_of_the_statsd_exporter_are_those_of_the_contract() {
    let statsd = StatsdDaemon::listen();
    let flags = [
        "--recorder",
        "statsd-exporter",
        "--statsd",
        statsd.address(),
        "--statsd-prefix",
        "golden",
        "--max-concurrency",
        "100",
        "--max-connections",
        "100",
    ];
    let (front, back) = (start_service(&flags), start_service(&[]));
    completed(&front);
    outgoing(&front, &back);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        // The number of lines is not known yet.
        thread::sleep(Duration::from_secs(2));
    } else {
        let golden = read_golden(GOLDEN);
        let counts = golden
            .lines()
            .filter_map(|line| line.split_once(" x ")?.0.parse::<usize>().ok());
        let expected = counts.sum();
        let complete = || statsd.lines().iter().filter(|line| !is_sampled(line)).count() >= expected;
        wait_until(complete, || {
            format!("lines are missing:\n{}", normalize(&statsd, &front))
        });
    }
    assert_golden(GOLDEN, &normalize(&statsd, &front), "metrics-exporter-statsd");
    let whole = statsd.datagrams();
    assert!(
        whole.iter().all(|datagram| datagram.lines().count() == 1),
        "lines are buffered: {whole:?}"
    );
}

#[test]
fn metrics_are_404_if_the_recorder_has_no_text() {
    let statsd = StatsdDaemon::listen();
    let service = start_service(&["--recorder", "statsd-exporter", "--statsd", statsd.address()]);
    assert_eq!(TestRequest::get("/metrics").send(service.admin()).status(), 404);
    assert_eq!(TestRequest::get("/readyz").send(service.admin()).status(), 200);
}
