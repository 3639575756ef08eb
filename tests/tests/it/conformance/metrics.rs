//! The exact text of `/metrics` after scripted traffic, for each recorder.

use campanile_recorder::Format;
use campanile_tests::{
    client::TestRequest,
    external_checkers,
    process::{Process, wait_until},
};

use super::{
    normalize::{assert_golden, normalize},
    start_service,
    traffic::traffic,
};

/// The normalized metrics after the traffic. `UPDATE_GOLDEN=1` overwrites the file.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance/metrics.golden");

/// The `Accept` header of Prometheus.
const ACCEPT_OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,\
                                  application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Starts the service and an upstream, sends the traffic, and waits until it has ended.
fn after_traffic(recorder: &str) -> (Process, Process) {
    let flags = [
        "--max-concurrency",
        "1",
        "--max-connections",
        "100",
        "--recorder",
        recorder,
    ];
    let (front, back) = (start_service(&flags), start_service(&[]));
    traffic(&front, &back);
    let nonzero_gauges = || nonzero_gauges(&text(&front, Format::Prometheus));
    wait_until(
        || nonzero_gauges().is_empty(),
        || format!("gauges that are not zero:\n{}", nonzero_gauges()),
    );
    (front, back)
}

fn text(service: &Process, format: Format) -> String {
    let accept = match format {
        Format::OpenMetrics => ACCEPT_OPEN_METRICS,
        _ => "*/*",
    };
    let response = TestRequest::get("/metrics")
        .header("accept", accept)
        .send(service.admin());
    assert_eq!(response.header("content-type"), Some(format.content_type()));
    response.text().to_owned()
}

/// Returns the gauges that are not zero yet: connections close after their last response, and the last sample of the
/// accept queue may include one.
fn nonzero_gauges(text: &str) -> String {
    let is_gauge = |line: &&str| {
        [
            "http_server_open_connections{",
            "http_server_active_requests{",
            "listener_backlog_pending{",
        ]
        .iter()
        .any(|gauge| line.starts_with(gauge))
    };
    let lines = text.lines().filter(is_gauge).filter(|line| !line.ends_with(" 0"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn assert_contract(service: &Process, format: Format, of: &str) {
    assert_golden(GOLDEN, &normalize(&text(service, format), format, service), of);
}

#[test]
fn metrics_of_our_recorder_are_those_of_the_contract_in_both_formats() {
    let (front, _back) = after_traffic("campanile");
    assert_contract(&front, Format::Prometheus, "campanile-recorder");
    assert_contract(&front, Format::OpenMetrics, "campanile-recorder's OpenMetrics");
}

#[test]
fn metrics_of_the_prometheus_exporter_are_the_same() {
    let (front, _back) = after_traffic("prometheus-exporter");
    assert_contract(&front, Format::Prometheus, "metrics-exporter-prometheus");
    // It has only one format.
    let response = TestRequest::get("/metrics").header("accept", ACCEPT_OPEN_METRICS);
    assert_eq!(
        response.send(front.admin()).header("content-type"),
        Some(Format::Prometheus.content_type())
    );
}

#[test]
fn labels_are_sorted_by_name_and_so_are_families_and_series() {
    let (front, _back) = after_traffic("campanile");
    let text = text(&front, Format::Prometheus);
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains('{'))
    {
        let labels = line
            .split_once('{')
            .and_then(|(_, rest)| rest.rsplit_once('}'))
            .expect("labels")
            .0;
        let names = labels
            .split("\",")
            .map(|label| label.split('=').next().expect("a name"));
        let names: Vec<_> = names.filter(|name| *name != "le").collect();
        assert!(names.is_sorted(), "{line}");
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE "));
    assert!(types.is_sorted(), "{text}");
    let requests = text
        .lines()
        .filter(|line| line.starts_with("http_server_requests_total{"));
    assert!(requests.is_sorted(), "{text}");
}

#[test]
fn promtool_and_the_python_parsers_accept_the_text() {
    for recorder in ["campanile", "prometheus-exporter"] {
        let (front, _back) = after_traffic(recorder);
        let classic = text(&front, Format::Prometheus);
        external_checkers::promtool(&classic);
        let folder = env!("CARGO_TARGET_TMPDIR");
        let Some(found) = external_checkers::python(&classic, Format::Prometheus, folder) else {
            return;
        };
        let samples = |text: &str| {
            text.lines()
                .filter(|line| !line.starts_with('#') && !line.is_empty())
                .count()
        };
        assert_eq!(found.samples, samples(&classic));
        if recorder == "campanile" {
            let open_metrics = text(&front, Format::OpenMetrics);
            let found_there = external_checkers::python(&open_metrics, Format::OpenMetrics, folder)
                .expect("the parser is installed");
            assert_eq!(found_there.samples, samples(&open_metrics));
            assert_eq!(found_there.families, found.families);
            assert_eq!(found_there.exemplars, open_metrics.matches("request_id=").count());
        }
    }
}

#[test]
fn every_histogram_of_the_layers_has_exemplars() {
    let (front, back) = (start_service(&[]), start_service(&[]));
    let url = format!("http://{}/echo", back.address());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let response = TestRequest::get(format!("/call?url={url}"))
        .header("x-request-id", "order-7")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .send(front.address());
    assert_eq!(response.status(), 200);
    let posted = TestRequest::new("POST", "/echo")
        .body("hello")
        .header("x-request-id", "order-8");
    assert_eq!(posted.send(front.address()).status(), 200);
    let all = text(&front, Format::OpenMetrics);
    let has = |family: &str, exemplar: &str| {
        all.lines()
            .any(|line| line.starts_with(&format!("{family}_bucket{{")) && line.contains(exemplar))
    };
    for family in all
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"))
        // A connection waits in the accept queue before it has a request.
        .filter(|family| *family != "listener_backlog_wait_seconds")
    {
        let exemplar = match family {
            "http_server_request_body_size_bytes" => " # {request_id=\"order-8\"} 5 ".to_owned(),
            _ => format!(" # {{request_id=\"order-7\",trace_id=\"{trace}\"}} "),
        };
        assert!(has(family, &exemplar), "no {exemplar} in {family}:\n{all}");
    }
    // The last 118 bytes of a long ID.
    let long = "x".repeat(138) + &"y".repeat(118);
    let _ = TestRequest::get("/sleep/0.01")
        .header("x-request-id", &long)
        .send(front.address());
    let all = text(&front, Format::OpenMetrics);
    let cut = format!(" # {{request_id=\"{}\"}} ", "y".repeat(118));
    assert!(all.contains(&cut), "{cut} is not in\n{all}");
    // The classic format has no exemplars.
    assert!(!text(&front, Format::Prometheus).contains("request_id="));
}
