//! `--profile gunicorn`: its instrumentation's lines, and the gauges of its monitor threads as far as they are fed.

use campanile_tests::{
    process::wait_until,
    wire::{Ask, connect},
};

use super::{
    boot,
    daemon::{Daemon, masked},
    occupy_with,
};

#[test]
fn requests_are_sent_as_gunicorn_sends_them() {
    let daemon = Daemon::listen();
    let flags = [
        "--profile",
        "gunicorn",
        "--statsd",
        daemon.address(),
        "--statsd-prefix",
        "x",
    ];
    let service = boot(&flags);
    for (path, status) in [("/fast", 200), ("/nowhere", 404), ("/boom", 500)] {
        let seen = daemon.lines().len();
        let _ = Ask::get(path).of(service.address());
        let lines = daemon.lines_until(seen, "x.gunicorn.request.duration:");
        let sent: Vec<String> = lines
            .iter()
            .filter(|line| line.starts_with("x.gunicorn."))
            // A gauge comes by the clock, in between.
            .filter(|line| !line.starts_with("x.gunicorn.backlog:"))
            .map(|line| masked(line))
            .collect();
        // gunicorn sends the duration first and each with `|@1.0`, which says that all are sent.
        let code = format!("x.gunicorn.request.status.{status}:1|c");
        assert_eq!(
            sent,
            [
                "x.gunicorn.requests:1|c",
                &code,
                "x.gunicorn.request.duration:T|ms"
            ]
        );
    }
}

#[test]
fn gauges_of_the_worker_are_scraped_by_its_number() {
    for recorder in ["campanile", "prometheus-exporter"] {
        let flags = [
            "--profile",
            "gunicorn",
            "--recorder",
            recorder,
            "--max-connections",
            "7",
        ];
        let service = boot(&flags);
        let pid = service.id();
        let _idle = connect(service.address()).expect("the service listens");
        let _busy = occupy_with(
            &service,
            &format!("gunicorn_pending_requests{{pid=\"{pid}\"}} 1\n"),
        );
        let text = || Ask::get("/metrics").of(service.admin()).text().to_owned();
        for gauge in [
            "gunicorn_active_worker_connections",
            "gunicorn_max_worker_connections",
        ] {
            let value = if gauge.contains("max") { 7 } else { 2 };
            let line = format!("{gauge}{{pid=\"{pid}\"}} {value}\n");
            wait_until(|| text().contains(&line), || format!("no {line} in\n{}", text()));
        }
        // In place of those that they are made of; what gunicorn has not stays.
        let text = text();
        assert!(!text.contains("http_server_active_requests"), "{text}");
        assert!(!text.contains("http_server_open_connections"), "{text}");
    }
}
