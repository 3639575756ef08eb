//! Every row of the tables that come with the crate, fed with what the layers record.

mod profile_support;

use campanile_recorder::profile::{MethodCase, Profile};
use metrics::{Recorder, Unit};
use profile_support::{Recording, counter, gauge, histogram};

/// What a source is told, and what the recorder below is told then.
type Case<'a> = (&'a str, &'a [&'a str]);

fn counts(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        counter(&profile.over(recording.clone()), source).increment(1);
        assert_eq!(recording.recorded(), *expected, "of {source}");
    }
}

/// Records a half.
fn times(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        histogram(&profile.over(recording.clone()), source).record(0.5);
        assert_eq!(recording.recorded(), *expected, "of {source}");
    }
}

fn levels(profile: &Profile, cases: &[Case<'_>]) {
    for (source, expected) in cases {
        let recording = Recording::default();
        gauge(&profile.over(recording.clone()), source).increment(2.0);
        assert_eq!(recording.recorded(), *expected, "of {source}");
    }
}

fn names_of_buckets(profile: &Profile) -> Vec<(&'static str, usize)> {
    profile
        .buckets()
        .map(|(name, bounds)| (name, bounds.len()))
        .collect()
}

#[test]
fn talisker_counts_calls_by_host_and_view() {
    counts(
        &Profile::talisker(),
        &[
            (
                "http_client_requests_total{server_address=stock.example,url_template=stock.get-item}",
                &["requests_count_total{host=stock-example,view=stock.get-item} +1"],
            ),
            (
                "http_client_requests_total{server_address=Stock.Example:8080,url_template=unknown}",
                &["requests_count_total{host=stock-example,view=unknown} +1"],
            ),
            (
                "http_client_requests_total{server_address=::1,url_template=}",
                &["requests_count_total{host=--1,view=unknown} +1"],
            ),
            (
                "http_client_requests_total{server_address=[fe80::1]:80}",
                &["requests_count_total{host=fe80--1,view=unknown} +1"],
            ),
            // Labels that an option of the layer adds change nothing.
            (
                "http_client_requests_total{http_request_method=GET,http_response_status_code=200,server_address=a}",
                &["requests_count_total{host=a,view=unknown} +1"],
            ),
        ],
    );
}

#[test]
fn talisker_counts_errors_by_two_types_and_a_code() {
    let error = "http_client_errors_total{server_address=a,url_template=v";
    let of = |kind: &str, code: &str| format!("{error},error_type={kind},error_code={code}}}");
    let connection =
        |code: &str| format!("requests_errors_total{{host=a,type=connection,view=v,status={code}}} +1");
    let profile = Profile::talisker();
    for (kind, code, expected) in [
        (
            "http",
            "503",
            "requests_errors_total{host=a,type=http,view=v,status=503} +1".to_owned(),
        ),
        ("connection", "ECONNREFUSED", connection("ECONNREFUSED")),
        ("connection", "EAI_NONAME", connection("EAI_NONAME")),
        ("timeout", "ETIMEDOUT", connection("unknown")),
        ("tls", "unknown", connection("unknown")),
        ("protocol", "", connection("unknown")),
        ("body", "ECONNRESET", connection("ECONNRESET")),
        ("cancelled", "unknown", connection("unknown")),
    ] {
        counts(&profile, &[(&of(kind, code), &[&expected])]);
    }
}

#[test]
fn talisker_sums_timeouts_over_their_phases() {
    let recording = Recording::default();
    let recorder = Profile::talisker().over(recording.clone());
    for phase in ["connect", "response", "body", "deadline"] {
        counter(
            &recorder,
            &format!("http_client_timeouts_total{{server_address=a.b,url_template=v,phase={phase}}}"),
        )
        .increment(1);
    }
    assert_eq!(recording.keys(), ["requests_timeouts_total{host=a-b,view=v}"]);
    assert_eq!(
        recording.recorded(),
        ["requests_timeouts_total{host=a-b,view=v} +1"; 4]
    );
}

#[test]
fn talisker_measures_in_milliseconds() {
    times(
        &Profile::talisker(),
        &[
            (
                "http_client_request_duration_seconds{http_request_method=GET,server_address=a,url_template=v,\
                 http_response_status_code=404}",
                &["requests_latency{host=a,view=v,status=404} 500"],
            ),
            (
                "http_server_response_duration_seconds{http_request_method=GET,http_route=/a,\
                 http_response_status_code=200}",
                &["wsgi_latency{view=/a,method=GET,status=200} 500"],
            ),
            (
                "http_server_response_duration_seconds{http_request_method=GET,http_route=other}",
                &["wsgi_latency{view=unknown,method=GET,status=unknown} 500"],
            ),
            (
                "http_server_response_duration_seconds{http_request_method=GET,http_route=/a,\
                 http_response_status_code=,outcome=timed_out}",
                &["wsgi_latency{view=/a,method=GET,status=timeout} 500"],
            ),
            // To the head: talisker has none of this, so it passes.
            (
                "http_server_request_duration_seconds{http_route=/a}",
                &["http_server_request_duration_seconds{http_route=/a} 0.5"],
            ),
        ],
    );
    let buckets: Vec<_> = (2..=13).map(|power| f64::from(1 << power)).collect();
    let profile = Profile::talisker();
    let found: Vec<_> = profile.buckets().collect();
    assert_eq!(
        found,
        [("requests_latency", &buckets[..]), ("wsgi_latency", &buckets[..])]
    );
}

#[test]
fn talisker_counts_requests_errors_and_timeouts_of_one_exchange() {
    let of = |route: &str, status: &str, outcome: &str| {
        format!(
            "http_server_requests_total{{http_request_method=GET,http_response_status_code={status},\
             http_route={route},outcome={outcome}}}"
        )
    };
    let request = |status: &str| format!("wsgi_requests_total{{view=/a,method=GET,status={status}}} +1");
    let error = |status: &str| format!("wsgi_errors_total{{view=/a,method=GET,status={status}}} +1");
    let timeout = || "wsgi_timeouts_total{view=/a,method=GET} +1".to_owned();
    let cases = [
        ("200", "completed", vec![request("200")]),
        ("499", "completed", vec![request("499")]),
        ("500", "completed", vec![request("500"), error("500")]),
        ("503", "shed", vec![request("503"), error("503")]),
        ("500", "panicked", vec![request("500"), error("500")]),
        ("504", "timed_out", vec![request("504"), timeout()]),
        ("", "timed_out", vec![request("timeout"), timeout()]),
        ("", "cancelled", vec![request("unknown")]),
        ("", "failed", vec![request("unknown")]),
        ("200", "aborted", vec![request("200")]),
    ];
    let profile = Profile::talisker();
    for (status, outcome, expected) in cases {
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        counts(&profile, &[(&of("/a", status, outcome), &expected)]);
    }
    counts(
        &profile,
        &[(
            &of("other", "404", "completed"),
            &["wsgi_requests_total{view=unknown,method=GET,status=404} +1"],
        )],
    );
}

#[test]
fn talisker_keeps_the_order_in_which_a_call_is_recorded() {
    let recording = Recording::default();
    let recorder = Profile::talisker().over(recording.clone());
    // Registered in another order, as it may come.
    let errors = counter(
        &recorder,
        "http_client_errors_total{error_code=503,error_type=http,server_address=a,url_template=v}",
    );
    let latency = histogram(
        &recorder,
        "http_client_request_duration_seconds{http_response_status_code=503,server_address=a,url_template=v}",
    );
    let count = counter(
        &recorder,
        "http_client_requests_total{server_address=a,url_template=v}",
    );
    count.increment(1);
    latency.record(0.001);
    errors.increment(1);
    assert_eq!(
        recording.recorded(),
        [
            "requests_count_total{host=a,view=v} +1",
            "requests_latency{host=a,view=v,status=503} 1",
            "requests_errors_total{host=a,type=http,view=v,status=503} +1",
        ]
    );
}

#[test]
fn talisker_describes_in_its_own_words() {
    let recording = Recording::default();
    let recorder = Profile::talisker().over(recording.clone());
    for source in [
        "http_client_requests_total",
        "http_client_errors_total",
        "http_client_timeouts_total",
        "http_server_requests_total",
    ] {
        recorder.describe_counter(source.into(), None, "ours".into());
    }
    for source in [
        "http_client_request_duration_seconds",
        "http_server_response_duration_seconds",
    ] {
        recorder.describe_histogram(source.into(), Some(Unit::Seconds), "ours".into());
    }
    assert_eq!(
        recording.described(),
        [
            "counter requests_count_total -: Count of http calls via requests library",
            "counter requests_errors_total -: Count of errors in responses via requests library",
            "counter requests_timeouts_total -: Count of http calls that timed out",
            "counter wsgi_requests_total -: Count of requests",
            "counter wsgi_errors_total -: Count of requests answered with an error",
            "counter wsgi_timeouts_total -: Count of requests that timed out",
            "histogram requests_latency milliseconds: Duration of http calls via requests library",
            "histogram wsgi_latency milliseconds: Duration of requests, to the last byte of the answer",
        ]
    );
}

#[test]
fn gunicorn_has_a_gauge_for_each_that_the_monitor_threads_had() {
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
        levels(&profile, &[(source, &[&of_pid(target)])]);
    }
    levels(
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
    assert!(names_of_buckets(&profile).is_empty());
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
fn gunicorn_sends_to_statsd_what_it_always_did() {
    let profile = Profile::gunicorn_statsd();
    counts(
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
    times(
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

#[test]
fn baseplate_counts_requests_with_their_success() {
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
        counts(&profile, &[(&of("/a", status, outcome), &[&expected])]);
    }
    counts(
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
    times(
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
    times(
        &profile,
        &[(
            "http_client_request_duration_seconds{http_request_method=GET,http_response_status_code=503,\
             server_address=stock,url_template=v}",
            &["http_client_latency_seconds{http_method=get,http_client_name=stock,http_success=false} 0.5"],
        )],
    );
    counts(
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
    levels(
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
    levels(
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
        names_of_buckets(&profile),
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
fn baseplate_describes_in_its_own_words() {
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
            "histogram http_server_latency_seconds seconds: Time from the request to the head of its answer",
            "histogram http_client_latency_seconds seconds: Time from the call to the head of its answer",
            "histogram http_server_request_size_bytes bytes: Size of the request's body",
        ]
    );
}

#[test]
fn baseplate_sends_its_runtime_to_statsd() {
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
        levels(&profile, &[(source, &[&expected])]);
    }
    let blocked = format!("runtime.hub_blocked{{{tags}}} 500");
    times(
        &profile,
        &[("runtime_blocked_seconds{runtime=main}", &[&blocked])],
    );
}
