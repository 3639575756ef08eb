//! What metrics-exporter-statsd sends of scripted traffic, to the letter.
//!
//! It drops, as statsd has it or as it is made:
//! - gauges that rise and fall by one (`http_server_active_requests`, `…_open_connections`): it does not know of what.
//!   Those that are set are sent, and `StatefulRecorder` around it would give it the others;
//! - counters that are set to a value: it knows no difference. The layers have none;
//! - help and units;
//! - all but whole milliseconds, where histograms are sent as timers; here they are sent as histograms.

use std::{
    net::UdpSocket,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use campanile_tests::{
    process::{Process, wait_until},
    wire::Ask,
};

use super::{
    boot,
    script::{answered, outgoing},
    steady::{assert_golden, golden},
};

/// The lines, sorted, each with how often it came; `T` for values that are times.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance/statsd.golden");

/// A server that keeps what it is sent.
struct Statsd {
    address: String,
    datagrams: Arc<Mutex<Vec<String>>>,
}

impl Statsd {
    fn listen() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("it is bound").to_string();
        let datagrams = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&datagrams);
        // Ends with the process.
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
        });
        Self { address, datagrams }
    }

    fn datagrams(&self) -> Vec<String> {
        let datagrams = self.datagrams.lock().unwrap_or_else(PoisonError::into_inner);
        datagrams.clone()
    }

    /// What came, in the golden form.
    fn steady(&self, service: &Process) -> String {
        let mut lines: Vec<_> = self
            .datagrams()
            .iter()
            .flat_map(|datagram| datagram.lines())
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
}

#[test]
fn datagrams_of_the_statsd_exporter_are_those_of_the_contract() {
    let statsd = Statsd::listen();
    let flags = [
        "--recorder",
        "statsd-exporter",
        "--statsd",
        &statsd.address,
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
        let enough = golden(GOLDEN);
        let told = || statsd.steady(&front);
        let came = || told().len() >= enough.len();
        wait_until(came, || format!("too little came:\n{}", told()));
    }
    assert_golden(GOLDEN, &statsd.steady(&front), "metrics-exporter-statsd");
    let whole = statsd.datagrams();
    assert!(
        whole.iter().all(|datagram| datagram.lines().count() == 1),
        "a line waits for others: {whole:?}"
    );
}

#[test]
fn there_is_no_text_where_the_recorder_has_none() {
    let statsd = Statsd::listen();
    let service = boot(&["--recorder", "statsd-exporter", "--statsd", &statsd.address]);
    assert_eq!(Ask::get("/metrics").of(service.admin()).status(), 404);
    assert_eq!(Ask::get("/readyz").of(service.admin()).status(), 200);
}
