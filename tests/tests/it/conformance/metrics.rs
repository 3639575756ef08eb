//! `/metrics` after scripted traffic, to the letter, whatever keeps them.

use campanile_recorder::Format;
use campanile_tests::{
    judges,
    process::{Process, wait_until},
    wire::Ask,
};

use super::{
    boot,
    script::traffic,
    steady::{assert_golden, steady},
};

/// What the script makes of the metrics: each series once, sorted, its buckets in a line, and `T` for values that are
/// times. `UPDATE_GOLDEN=1` writes it anew.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance/metrics.golden");

/// What Prometheus sends.
const WANTS_OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,\
                                  application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Boots the service that the traffic is for, and one that it calls; sends the traffic; waits until it is over.
fn after_traffic(recorder: &str) -> (Process, Process) {
    let flags = [
        "--max-concurrency",
        "1",
        "--max-connections",
        "100",
        "--recorder",
        recorder,
    ];
    let (front, back) = (boot(&flags), boot(&[]));
    traffic(&front, &back);
    let unsettled = || unsettled(&text(&front, Format::Prometheus));
    wait_until(
        || unsettled().is_empty(),
        || format!("all is over, but:\n{}", unsettled()),
    );
    (front, back)
}

fn text(service: &Process, format: Format) -> String {
    let accept = match format {
        Format::OpenMetrics => WANTS_OPEN_METRICS,
        _ => "*/*",
    };
    let answer = Ask::get("/metrics").field("accept", accept).of(service.admin());
    assert_eq!(answer.field("content-type"), Some(format.content_type()));
    answer.text().to_owned()
}

/// Returns the gauges that fall behind the traffic's end and have not yet: connections end a moment after their last
/// answer was read, and the last look at the accept queue may have met one of them there, which the next will not.
fn unsettled(text: &str) -> String {
    let falls = |line: &&str| {
        [
            "http_server_open_connections{",
            "http_server_active_requests{",
            "listener_backlog_pending{",
        ]
        .iter()
        .any(|gauge| line.starts_with(gauge))
    };
    let lines = text.lines().filter(falls).filter(|line| !line.ends_with(" 0"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn assert_contract(service: &Process, format: Format, of: &str) {
    assert_golden(GOLDEN, &steady(&text(service, format), format, service), of);
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
    // It has one format, whatever is wanted.
    let answer = Ask::get("/metrics").field("accept", WANTS_OPEN_METRICS);
    assert_eq!(
        answer.of(front.admin()).field("content-type"),
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
fn promtool_and_the_python_parsers_have_nothing_to_say() {
    for recorder in ["campanile", "prometheus-exporter"] {
        let (front, _back) = after_traffic(recorder);
        let classic = text(&front, Format::Prometheus);
        judges::promtool(&classic);
        let folder = env!("CARGO_TARGET_TMPDIR");
        let Some(found) = judges::python(&classic, Format::Prometheus, folder) else {
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
            let found_there = judges::python(&open_metrics, Format::OpenMetrics, folder)
                .expect("it was there a moment ago");
            assert_eq!(found_there.samples, samples(&open_metrics));
            assert_eq!(found_there.families, found.families);
            assert_eq!(found_there.exemplars, open_metrics.matches("request_id=").count());
        }
    }
}

#[test]
fn every_histogram_of_the_layers_has_exemplars() {
    let (front, back) = (boot(&[]), boot(&[]));
    let url = format!("http://{}/echo", back.address());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let answer = Ask::get(format!("/call?url={url}"))
        .field("x-request-id", "order-7")
        .field("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .of(front.address());
    assert_eq!(answer.status(), 200);
    let posted = Ask::new("POST", "/echo")
        .body("hello")
        .field("x-request-id", "order-8");
    assert_eq!(posted.of(front.address()).status(), 200);
    let all = text(&front, Format::OpenMetrics);
    let has = |family: &str, exemplar: &str| {
        all.lines()
            .any(|line| line.starts_with(&format!("{family}_bucket{{")) && line.contains(exemplar))
    };
    for family in all
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"))
        // A connection waits for its accept before it has any request.
        .filter(|family| *family != "listener_backlog_wait_seconds")
    {
        let exemplar = match family {
            "http_server_request_body_size_bytes" => " # {request_id=\"order-8\"} 5 ".to_owned(),
            _ => format!(" # {{request_id=\"order-7\",trace_id=\"{trace}\"}} "),
        };
        assert!(has(family, &exemplar), "{family} lacks {exemplar} in\n{all}");
    }
    // A label's name and 118 bytes are all that there may be.
    let long = "x".repeat(138) + &"y".repeat(118);
    let _ = Ask::get("/sleep/0.01")
        .field("x-request-id", &long)
        .of(front.address());
    let all = text(&front, Format::OpenMetrics);
    let cut = format!(" # {{request_id=\"{}\"}} ", "y".repeat(118));
    assert!(all.contains(&cut), "{cut} is not in\n{all}");
    // Ids are for those who asked for the format that has them.
    assert!(!text(&front, Format::Prometheus).contains("request_id="));
}
