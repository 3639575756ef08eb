//! What metrics-exporter-statsd sends of scripted traffic, to the letter.
//!
//! It drops, as statsd has it or as it is made:
//! - gauges that rise and fall by one (`http_server_active_requests`, `…_open_connections`): it does not know of what.
//!   Those that are set are sent, and `StatefulRecorder` around it would give it the others;
//! - counters that are set to a value: it knows no difference. The layers have none;
//! - help and units;
//! - all but whole milliseconds, where histograms are sent as timers; here they are sent as histograms.

use std::{thread, time::Duration};

use campanile_tests::{
    process::{Process, wait_until},
    wire::Ask,
};

use super::{
    boot,
    daemon::Daemon,
    script::{answered, outgoing},
    steady::{assert_golden, golden},
};

/// The lines, sorted, each with how often it came; `T` for values that are times.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance/statsd.golden");

/// Tells whether a line comes with each look at the accept queue.
fn by_the_clock(line: &str) -> bool {
    line.contains("listener_backlog_") && !line.contains("wait_seconds")
}

/// What came, in the golden form.
fn steady(daemon: &Daemon, service: &Process) -> String {
    let mut lines: Vec<_> = daemon
        .lines()
        .iter()
        .filter(|line| !by_the_clock(line))
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
    let statsd = Daemon::listen();
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
    let (front, back) = (boot(&flags), boot(&[]));
    answered(&front);
    outgoing(&front, &back);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        // Nothing says that the last one has come.
        thread::sleep(Duration::from_secs(2));
    } else {
        let golden = golden(GOLDEN);
        let counts = golden
            .lines()
            .filter_map(|line| line.split_once(" x ")?.0.parse::<usize>().ok());
        let enough = counts.sum();
        let came = || statsd.lines().iter().filter(|line| !by_the_clock(line)).count() >= enough;
        wait_until(came, || format!("too little came:\n{}", steady(&statsd, &front)));
    }
    assert_golden(GOLDEN, &steady(&statsd, &front), "metrics-exporter-statsd");
    let whole = statsd.datagrams();
    assert!(
        whole.iter().all(|datagram| datagram.lines().count() == 1),
        "a line waits for others: {whole:?}"
    );
}

#[test]
fn there_is_no_text_where_the_recorder_has_none() {
    let statsd = Daemon::listen();
    let service = boot(&["--recorder", "statsd-exporter", "--statsd", statsd.address()]);
    assert_eq!(Ask::get("/metrics").of(service.admin()).status(), 404);
    assert_eq!(Ask::get("/readyz").of(service.admin()).status(), 200);
}
