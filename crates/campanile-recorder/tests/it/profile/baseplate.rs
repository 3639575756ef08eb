//! Every row of baseplate's two tables, with metrics as the layers record them.

use campanile_recorder::profile::{MethodCase, Profile};
use metrics::{Recorder, Unit};

use super::{
    cases::{bucket_counts, check_counters, check_gauges, check_histograms},
    support::Recording,
};

#[test]
fn baseplate_counts_requests_by_success() {
    let of = |route: &str, status: &str, outcome: &str| {
        format!(
            "http_server_requests_total{{http_request_method=GET,http_response_status_code={status},\
             http_route={route},outcome={outcome}}}"
        )
    };
    let profile = Profile::baseplate(MethodCase::Lower);
    for (status, outcome, success) in [
        ("200", "completed", "true"),
        ("302", "completed", "true"),
        ("399", "completed", "true"),
        ("400", "completed", "false"),
        ("503", "shed", "false"),
        ("500", "panicked", "false"),
        ("101", "completed", "false"),
        ("200", "aborted", "true"),
        ("200", "failed", "false"),
        ("200", "timed_out", "false"),
        ("", "cancelled", "false"),
    ] {
        let expected = format!(
            "http_server_requests_total{{http_method=get,http_endpoint=/a,http_success={success},\
             http_response_code={status}}} +1"
        );
        check_counters(&profile, &[(&of("/a", status, outcome), &[&expected])]);
    }
    check_counters(
        &profile,
        &[(
            &of("other", "404", "completed"),
            &[
                "http_server_requests_total{http_method=get,http_endpoint=404,http_success=false,\
               http_response_code=404} +1",
            ],
        )],
    );
}

#[test]
fn baseplate_measures_requests_and_their_sizes() {
    check_histograms(
        &Profile::baseplate(MethodCase::Lower),
        &[
            (
                "http_server_request_duration_seconds{http_request_method=GET,http_response_status_code=200,http_route=/a}",
                &["http_server_latency_seconds{http_method=get,http_endpoint=/a,http_success=true} 0.5"],
            ),
            (
                "http_server_request_body_size_bytes{http_request_method=PUT,http_route=/a}",
                &["http_server_request_size_bytes{http_method=put,http_endpoint=/a,http_success=} 0.5"],
            ),
            (
                "http_server_request_body_size_bytes{http_request_method=PUT,http_response_status_code=500,http_route=/a}",
                &["http_server_request_size_bytes{http_method=put,http_endpoint=/a,http_success=false} 0.5"],
            ),
            (
                "http_server_response_body_size_bytes{http_request_method=_OTHER,http_route=other}",
                &["http_server_response_size_bytes{http_method=_other,http_endpoint=404,http_success=} 0.5"],
            ),
            (
                "http_server_response_body_size_bytes{http_request_method=GET,http_response_status_code=204,http_route=/a}",
                &["http_server_response_size_bytes{http_method=get,http_endpoint=/a,http_success=true} 0.5"],
            ),
            (
                "http_server_response_duration_seconds{http_route=/a}",
                &["http_server_response_duration_seconds{http_route=/a} 0.5"],
            ),
        ],
    );
}

#[test]
fn baseplate_has_client_twins() {
    let profile = Profile::baseplate(MethodCase::Lower);
    check_histograms(
        &profile,
        &[(
            "http_client_request_duration_seconds{http_request_method=GET,http_response_status_code=503,\
             server_address=stock,url_template=v}",
            &["http_client_latency_seconds{http_method=get,http_client_name=stock,http_success=false} 0.5"],
        )],
    );
    check_counters(
        &profile,
        &[
            (
                "http_client_requests_total{server_address=stock,url_template=v}",
                &[
                    "http_client_requests_total{http_method=,http_client_name=stock,http_success=,\
                   http_response_code=} +1",
                ],
            ),
            (
                "http_client_requests_total{http_request_method=GET,http_response_status_code=404,server_address=stock}",
                &[
                    "http_client_requests_total{http_method=get,http_client_name=stock,http_success=false,\
                   http_response_code=404} +1",
                ],
            ),
            (
                "http_client_requests_total{http_request_method=GET,http_response_status_code=200,server_address=stock}",
                &[
                    "http_client_requests_total{http_method=get,http_client_name=stock,http_success=true,\
                   http_response_code=200} +1",
                ],
            ),
            (
                "http_client_requests_total{http_request_method=GET,http_response_status_code=200,error_type=body,\
                 server_address=stock}",
                &[
                    "http_client_requests_total{http_method=get,http_client_name=stock,http_success=false,\
                   http_response_code=200} +1",
                ],
            ),
            (
                "http_client_requests_total{http_request_method=GET,http_response_status_code=,server_address=stock}",
                &[
                    "http_client_requests_total{http_method=get,http_client_name=stock,http_success=false,\
                   http_response_code=} +1",
                ],
            ),
        ],
    );
}

#[test]
fn baseplate_has_gauges_of_requests_and_calls() {
    let profile = Profile::baseplate(MethodCase::Lower);
    check_gauges(
        &profile,
        &[
            (
                "http_server_active_requests{http_request_method=GET,http_route=/a}",
                &["http_server_active_requests{http_method=get,http_endpoint=/a} +2"],
            ),
            (
                "http_client_active_requests{server_address=stock}",
                &["http_client_active_requests{http_method=,http_client_name=stock} +2"],
            ),
            (
                "http_client_active_requests{http_request_method=GET,server_address=stock}",
                &["http_client_active_requests{http_method=get,http_client_name=stock} +2"],
            ),
            (
                "http_server_open_connections{listener=a}",
                &["http_server_open_connections{listener=a} +2"],
            ),
        ],
    );
}

#[test]
fn baseplate_go_spells_methods_in_upper_case() {
    assert_eq!(MethodCase::default(), MethodCase::Lower);
    check_gauges(
        &Profile::baseplate(MethodCase::Upper),
        &[(
            "http_server_active_requests{http_request_method=GET,http_route=/a}",
            &["http_server_active_requests{http_method=GET,http_endpoint=/a} +2"],
        )],
    );
}

#[test]
fn baseplate_has_its_buckets() {
    let profile = Profile::baseplate(MethodCase::Upper);
    assert_eq!(
        bucket_counts(&profile),
        [
            ("http_server_latency_seconds", 15),
            ("http_server_request_size_bytes", 20),
            ("http_server_response_size_bytes", 20),
            ("http_client_latency_seconds", 15),
        ]
    );
    let sizes: Vec<_> = (0..20).map(|power| f64::from(8 << power)).collect();
    let latencies = [
        0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 30.0,
    ];
    let found: Vec<_> = profile.buckets().map(|(_, bounds)| bounds).collect();
    assert_eq!(found, [&latencies[..], &sizes, &sizes, &latencies]);
}

#[test]
fn baseplate_sets_its_own_help_texts() {
    let recording = Recording::default();
    let recorder = Profile::baseplate(MethodCase::Lower).over(recording.clone());
    recorder.describe_counter("http_server_requests_total".into(), None, "ours".into());
    recorder.describe_gauge("http_client_active_requests".into(), None, "ours".into());
    for source in [
        "http_server_request_duration_seconds",
        "http_client_request_duration_seconds",
    ] {
        recorder.describe_histogram(source.into(), Some(Unit::Seconds), "ours".into());
    }
    recorder.describe_histogram("http_server_request_body_size_bytes".into(), None, "ours".into());
    assert_eq!(
        recording.described(),
        [
            "counter http_server_requests_total -: Requests that ended",
            "gauge http_client_active_requests -: Calls in flight",
            "histogram http_server_latency_seconds seconds: Time from the request to the response head",
            "histogram http_client_latency_seconds seconds: Time from the call to the response head",
            "histogram http_server_request_size_bytes bytes: Size of the request body",
        ]
    );
}

#[test]
fn baseplate_sends_runtime_metrics_to_statsd() {
    let profile = Profile::baseplate_statsd();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "unknown".into());
    let tags = format!("hostname={},PID={}", host.trim(), std::process::id());
    let level = |name: &str| format!("{name}{{{tags}}} +2");
    let pool = |name: &str| format!("{name}{{{tags},client=stock}} +2");
    for (source, expected) in [
        (
            "http_server_open_connections{listener=a}",
            level("runtime.open_connections"),
        ),
        (
            "http_server_active_requests{http_request_method=GET,http_route=/a}",
            level("runtime.active_requests"),
        ),
        (
            "http_client_open_connections{server_address=stock}",
            pool("runtime.pool.open_connections"),
        ),
        (
            "http_client_active_requests{server_address=stock}",
            pool("runtime.pool.in_use"),
        ),
    ] {
        check_gauges(&profile, &[(source, &[&expected])]);
    }
    let blocked = format!("runtime.hub_blocked{{{tags}}} 500");
    check_histograms(
        &profile,
        &[("runtime_blocked_seconds{runtime=main}", &[&blocked])],
    );
}
