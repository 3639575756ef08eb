//! No name or label occurs twice in a text, which scrapers would reject.

use campanile_recorder::{CellRecorder, Format};
use metrics::{Key, Label, Level, Metadata, Recorder};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn counter(recorder: &CellRecorder, name: &'static str) {
    recorder
        .register_counter(&Key::from_static_name(name), &METADATA)
        .increment(1);
}

fn gauge(recorder: &CellRecorder, name: &'static str) {
    recorder
        .register_gauge(&Key::from_static_name(name), &METADATA)
        .set(1.0);
}

fn histogram(recorder: &CellRecorder, name: &'static str) {
    recorder
        .register_histogram(&Key::from_static_name(name), &METADATA)
        .record(1.0);
}

/// Returns the type lines, and the samples without labels.
fn lines(recorder: &CellRecorder, format: Format) -> Vec<String> {
    let text = recorder.render(format);
    let plain = text
        .lines()
        .filter(|line| !line.contains('{') && !line.contains("EOF"));
    plain.map(|line| line.replace("# TYPE ", "")).collect()
}

#[test]
fn labels_that_the_formats_add_themselves_are_renamed() {
    let recorder = CellRecorder::new();
    let labels = |name| vec![Label::new(name, "x")];
    recorder
        .register_histogram(&Key::from_parts("wait_seconds", labels("le")), &METADATA)
        .record(0.3);
    recorder
        .register_counter(&Key::from_parts("hits_total", labels("__name__")), &METADATA)
        .increment(1);
    recorder
        .register_gauge(&Key::from_parts("level", labels(".-name__")), &METADATA)
        .set(1.0);
    recorder
        .register_gauge(&Key::from_parts("limit", labels("le")), &METADATA)
        .set(1.0);
    let text = recorder.render(Format::Prometheus);
    for line in [
        "\nwait_seconds_bucket{exported_le=\"x\",le=\"0.5\"} 1\n",
        "\nwait_seconds_count{exported_le=\"x\"} 1\n",
        "\nhits_total{exported___name__=\"x\"} 1\n",
        "\nlevel{exported___name__=\"x\"} 1\n",
        "\nlimit{le=\"x\"} 1\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn a_counter_named_total_keeps_its_name() {
    let recorder = CellRecorder::new();
    counter(&recorder, "_total");
    assert_eq!(
        lines(&recorder, Format::OpenMetrics),
        ["_total unknown", "_total 1"]
    );
    assert_eq!(
        lines(&recorder, Format::Prometheus),
        ["_total counter", "_total 1"]
    );
}

#[test]
fn a_family_named_like_a_sample_of_a_histogram_is_renamed() {
    let recorder = CellRecorder::new();
    histogram(&recorder, "w");
    gauge(&recorder, "w_count");
    counter(&recorder, "w_sum");
    gauge(&recorder, "w_bucket");
    gauge(&recorder, "exported_w_bucket");
    for (format, kind) in [(Format::OpenMetrics, "unknown"), (Format::Prometheus, "counter")] {
        assert_eq!(
            lines(&recorder, format),
            [
                "exported_w_bucket gauge",
                "exported_w_bucket 1",
                "w histogram",
                "w_sum 1",
                "w_count 1",
                "exported_exported_w_bucket gauge",
                "exported_exported_w_bucket 1",
                "exported_w_count gauge",
                "exported_w_count 1",
                &format!("exported_w_sum {kind}"),
                "exported_w_sum 1",
            ]
        );
    }
}

#[test]
fn a_counter_with_a_conflict_in_openmetrics_has_the_type_unknown() {
    let recorder = CellRecorder::new();
    histogram(&recorder, "w");
    counter(&recorder, "w_count_total");
    counter(&recorder, "hits_total");
    gauge(&recorder, "hits_created");
    counter(&recorder, "jobs");
    gauge(&recorder, "w_created");
    assert_eq!(
        lines(&recorder, Format::OpenMetrics),
        [
            "hits_created gauge",
            "hits_created 1",
            "hits_total unknown",
            "hits_total 1",
            "jobs counter",
            "jobs_total 1",
            "w histogram",
            "w_sum 1",
            "w_count 1",
            "w_count_total unknown",
            "w_count_total 1",
            "exported_w_created gauge",
            "exported_w_created 1",
        ]
    );
    let text = recorder.render(Format::Prometheus);
    assert!(
        text.contains("\nw_created 1\n"),
        "0.0.4 does not reserve `_created`: {text}"
    );
}
