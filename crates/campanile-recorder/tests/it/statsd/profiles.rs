//! statsd together with profiles and the recorder of cells.

use campanile_recorder::{CellRecorder, Profile, statsd::LineFormat};
use metrics::{Recorder, Unit};

use super::support::{Daemon, Running, counter, gauge, histogram};

#[test]
fn taliskers_profile_sends_the_lines_of_talisker() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd());
    let recorder = Profile::talisker().over(running.recorder.clone());
    let seconds = Some(Unit::Seconds);
    recorder.describe_histogram("http_client_request_duration_seconds".into(), seconds, "".into());
    let labels = [
        ("server_address", "stock.local"),
        ("url_template", "items.get"),
        ("http_request_method", "GET"),
        ("http_response_status_code", "200"),
    ];
    counter(&recorder, "http_client_requests_total", &labels).increment(1);
    histogram(&recorder, "http_client_request_duration_seconds", &labels).record(0.0123);
    running.end();
    assert_eq!(
        daemon.datagram(),
        "p.requests.count.stock-local.items.get:1|c\n\
         p.requests.latency.stock-local.items.get.200:12.300000|ms"
    );
}

#[test]
fn baseplates_profile_sends_comma_tags() {
    let daemon = Daemon::new();
    let running = Running::start(daemon.statsd().with_format(LineFormat::CommaTags));
    let recorder = Profile::baseplate_statsd().over(running.recorder.clone());
    gauge(&recorder, "http_server_active_requests", &[]).increment(3);
    running.end();
    let line = daemon.datagram();
    assert!(line.starts_with("p.runtime.active_requests,hostname="), "{line}");
    let end = format!(",PID={}:3|g", std::process::id());
    assert!(line.ends_with(&end), "{line}");
}

#[test]
fn a_snapshot_of_the_cells_is_flushed() {
    let daemon = Daemon::new();
    let cells = CellRecorder::new();
    let labels = [("view", "a.b"), ("host", "stock")];
    let hits = counter(&cells, "hits_total", &labels);
    let latency = histogram(&cells, "latency_seconds", &labels);
    let active = gauge(&cells, "active", &[]);
    let mut flusher = daemon.statsd().flusher(|| cells.snapshot()).unwrap();
    hits.increment(2);
    latency.record(0.25);
    latency.record(0.5);
    active.increment(1);
    flusher.flush();
    hits.increment(1);
    active.decrement(1);
    flusher.flush();
    assert_eq!(
        daemon.datagram(),
        "p.active:1|g\n\
         p.hits.stock.a.b:2|c\n\
         p.latency.seconds.stock.a.b.count:2|c\n\
         p.latency.seconds.stock.a.b.sum:750.000000|c"
    );
    assert_eq!(daemon.datagram(), "p.active:0|g\np.hits.stock.a.b:1|c");
}
