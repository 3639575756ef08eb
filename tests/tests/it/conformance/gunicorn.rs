//! `--profile gunicorn`: the lines of its instrumentation, and the gauges of its monitor threads.

use campanile_tests::{
    client::{TestRequest, connect, metrics_text},
    process::wait_until,
};

use super::{
    hold_request_with, start_service,
    statsd_daemon::{StatsdDaemon, masked},
};

#[test]
fn requests_are_sent_as_gunicorn_sends_them() {
    let daemon = StatsdDaemon::listen();
    let flags = [
        "--profile",
        "gunicorn",
        "--statsd",
        daemon.address(),
        "--statsd-prefix",
        "x",
    ];
    let service = start_service(&flags);
    for (path, status) in [("/fast", 200), ("/nowhere", 404), ("/boom", 500)] {
        let seen = daemon.lines().len();
        let _ = TestRequest::get(path).send(service.address());
        let lines = daemon.lines_until(seen, "x.gunicorn.request.duration:");
        let sent: Vec<String> = lines
            .iter()
            .filter(|line| line.starts_with("x.gunicorn."))
            // A gauge is sent periodically.
            .filter(|line| !line.starts_with("x.gunicorn.backlog:"))
            .map(|line| masked(line))
            .collect();
        // gunicorn sends the duration first, and adds the sample rate `|@1.0` to each line.
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
fn worker_gauges_are_scraped_with_the_process_id() {
    for recorder in ["campanile", "prometheus-exporter"] {
        let flags = [
            "--profile",
            "gunicorn",
            "--recorder",
            recorder,
            "--max-connections",
            "7",
        ];
        let service = start_service(&flags);
        let pid = service.id();
        let _idle = connect(service.address()).expect("the service listens");
        let _busy = hold_request_with(
            &service,
            &format!("gunicorn_pending_requests{{pid=\"{pid}\"}} 1\n"),
        );
        let text = || metrics_text(service.admin());
        for gauge in [
            "gunicorn_active_worker_connections",
            "gunicorn_max_worker_connections",
        ] {
            let value = if gauge.contains("max") { 7 } else { 2 };
            let line = format!("{gauge}{{pid=\"{pid}\"}} {value}\n");
            wait_until(|| text().contains(&line), || format!("no {line} in\n{}", text()));
        }
        // The profile replaces the gauges from which these are made.
        let text = text();
        assert!(!text.contains("http_server_active_requests"), "{text}");
        assert!(!text.contains("http_server_open_connections"), "{text}");
    }
}
