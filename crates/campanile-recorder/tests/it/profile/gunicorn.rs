//! Every row of gunicorn's two tables, with metrics as the layers record them.

use campanile_recorder::profile::Profile;

use super::{
    cases::{bucket_counts, check_counters, check_gauges, check_histograms},
    support::{Recording, gauge},
};

#[test]
fn gunicorn_has_the_gauges_of_its_monitor_threads() {
    let pid = std::process::id();
    let of_pid = |name: &str| format!("{name}{{pid={pid}}} +2");
    let profile = Profile::gunicorn();
    for (source, target) in [
        (
            "http_server_active_requests{http_request_method=GET,http_route=/a}",
            "gunicorn_pending_requests",
        ),
        (
            "http_server_open_connections{listener=127.0.0.1:8080}",
            "gunicorn_active_worker_connections",
        ),
        (
            "http_server_connection_limit{listener=127.0.0.1:8080}",
            "gunicorn_max_worker_connections",
        ),
        (
            "runtime_busy_workers{runtime=main}",
            "gunicorn_active_worker_threads",
        ),
        ("runtime_workers{runtime=main}", "gunicorn_max_worker_threads"),
    ] {
        check_gauges(&profile, &[(source, &[&of_pid(target)])]);
    }
    check_gauges(
        &profile,
        &[
            (
                "listener_backlog_pending{listener=127.0.0.1:8080}",
                &["gunicorn_pending_connections{listener=http://127.0.0.1:8080} +2"],
            ),
            (
                "listener_backlog_pending{listener=[::1]:8080}",
                &["gunicorn_pending_connections{listener=http://[::1]:8080} +2"],
            ),
            (
                "listener_backlog_pending{listener=unix:/run/app.sock}",
                &["gunicorn_pending_connections{listener=unix:/run/app.sock} +2"],
            ),
            (
                "listener_backlog_limit{listener=unix:/run/app.sock}",
                &["listener_backlog_limit{listener=unix:/run/app.sock} +2"],
            ),
        ],
    );
    assert!(bucket_counts(&profile).is_empty());
}

#[test]
fn gunicorn_sums_requests_over_routes_and_limits_over_listeners() {
    let recording = Recording::default();
    let recorder = Profile::gunicorn().over(recording.clone());
    let pid = std::process::id();
    let (one, two) = (
        gauge(
            &recorder,
            "http_server_active_requests{http_request_method=GET,http_route=/a}",
        ),
        gauge(
            &recorder,
            "http_server_active_requests{http_request_method=PUT,http_route=/b}",
        ),
    );
    one.increment(1.0);
    two.increment(1.0);
    one.decrement(1.0);
    assert_eq!(
        recording.gauge(&format!("gunicorn_pending_requests{{pid={pid}}}")),
        1.0
    );
    gauge(&recorder, "http_server_connection_limit{listener=a}").set(100.0);
    gauge(&recorder, "http_server_connection_limit{listener=b}").set(50.0);
    assert_eq!(
        recording.gauge(&format!("gunicorn_max_worker_connections{{pid={pid}}}")),
        150.0
    );
}

#[test]
fn gunicorn_sends_its_statsd_lines() {
    let profile = Profile::gunicorn_statsd();
    check_counters(
        &profile,
        &[
            (
                "http_server_requests_total{http_route=/a,http_response_status_code=404,outcome=completed}",
                &["gunicorn.requests{} +1", "gunicorn.request.status{code=404} +1"],
            ),
            (
                "http_server_requests_total{http_route=/a,http_response_status_code=,outcome=cancelled}",
                &["gunicorn.requests{} +1"],
            ),
        ],
    );
    check_histograms(
        &profile,
        &[(
            "http_server_response_duration_seconds{http_route=/a}",
            &["gunicorn.request.duration{} 500"],
        )],
    );
    let recording = Recording::default();
    let recorder = profile.over(recording.clone());
    gauge(&recorder, "listener_backlog_pending{listener=a}").set(3.0);
    gauge(&recorder, "listener_backlog_pending{listener=b}").set(4.0);
    gauge(&recorder, "listener_backlog_pending{listener=a}").set(0.0);
    gauge(&recorder, "runtime_workers{runtime=main}").set(8.0);
    assert_eq!(
        recording.recorded(),
        [
            "gunicorn.backlog{} =3",
            "gunicorn.backlog{} =7",
            "gunicorn.backlog{} =4",
            "gunicorn.workers{} =8",
        ]
    );
}
