//! talisker's table with metrics-exporter-prometheus.

use campanile_recorder::profile::Profile;
use metrics::Recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::support::{counter, histogram};

#[test]
fn talisker_is_rendered_as_talisker_would() {
    let profile = Profile::talisker();
    let mut builder = PrometheusBuilder::new();
    for (name, bounds) in profile.buckets() {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
            .expect("the bounds are not empty");
    }
    let exporter = builder.build_recorder();
    let handle = exporter.handle();
    let recorder = profile.over(exporter);
    recorder.describe_counter("http_client_requests_total".into(), None, "ours".into());
    for (phase, times) in [("connect", 1), ("body", 2)] {
        counter(
            &recorder,
            &format!("http_client_timeouts_total{{phase={phase},server_address=a.b,url_template=v}}"),
        )
        .increment(times);
    }
    counter(
        &recorder,
        "http_client_requests_total{server_address=a.b,url_template=v}",
    )
    .increment(3);
    let server = "http_server_requests_total{http_request_method=GET,http_route=/a";
    counter(
        &recorder,
        &format!("{server},http_response_status_code=200,outcome=completed}}"),
    )
    .increment(5);
    counter(
        &recorder,
        &format!("{server},http_response_status_code=500,outcome=panicked}}"),
    )
    .increment(1);
    let latency = |method: &str| {
        let labels = format!("http_request_method={method},http_response_status_code=200,server_address=a.b");
        histogram(
            &recorder,
            &format!("http_client_request_duration_seconds{{{labels},url_template=v}}"),
        )
    };
    latency("GET").record(0.003);
    latency("PUT").record(0.02);
    counter(&recorder, "passes_total").increment(1);
    handle.run_upkeep();
    let mut lines: Vec<_> = handle.render().lines().map(str::to_owned).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort();
    assert_eq!(
        lines,
        [
            "# HELP requests_count_total Count of http calls via requests library",
            "# TYPE passes_total counter",
            "# TYPE requests_count_total counter",
            "# TYPE requests_latency histogram",
            "# TYPE requests_timeouts_total counter",
            "# TYPE wsgi_errors_total counter",
            "# TYPE wsgi_requests_total counter",
            "passes_total 1",
            "requests_count_total{host=\"a-b\",view=\"v\"} 3",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"+Inf\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"1024\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"128\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"16\"} 1",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"2048\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"256\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"32\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"4\"} 1",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"4096\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"512\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"64\"} 2",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"8\"} 1",
            "requests_latency_bucket{host=\"a-b\",view=\"v\",status=\"200\",le=\"8192\"} 2",
            "requests_latency_count{host=\"a-b\",view=\"v\",status=\"200\"} 2",
            "requests_latency_sum{host=\"a-b\",view=\"v\",status=\"200\"} 23",
            "requests_timeouts_total{host=\"a-b\",view=\"v\"} 3",
            "wsgi_errors_total{view=\"/a\",method=\"GET\",status=\"500\"} 1",
            "wsgi_requests_total{view=\"/a\",method=\"GET\",status=\"200\"} 5",
            "wsgi_requests_total{view=\"/a\",method=\"GET\",status=\"500\"} 1",
        ]
    );
}
