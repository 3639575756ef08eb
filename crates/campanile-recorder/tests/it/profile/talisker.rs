//! Every row of talisker's table, with metrics as the layers record them.

use campanile_recorder::profile::Profile;
use metrics::{Recorder, Unit};

use super::{
    cases::{check_counters, check_histograms},
    support::{Recording, counter, histogram},
};

#[test]
fn talisker_counts_calls_by_host_and_view() {
    check_counters(
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
            // Labels added by an option of the layer are ignored.
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
        check_counters(&profile, &[(&of(kind, code), &[&expected])]);
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
    check_histograms(
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
            // The duration to the response head, which talisker lacks, so it passes unchanged.
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
        check_counters(&profile, &[(&of("/a", status, outcome), &expected)]);
    }
    check_counters(
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
    // Registered in another order.
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
fn talisker_sets_its_own_help_texts() {
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
            "counter wsgi_errors_total -: Count of requests with an error response",
            "counter wsgi_timeouts_total -: Count of requests that timed out",
            "histogram requests_latency milliseconds: Duration of http calls via requests library",
            "histogram wsgi_latency milliseconds: Duration of requests, to the last byte of the response",
        ]
    );
}
