//! Extreme metric names, labels and values, before external_checkers that other people wrote.

use campanile_recorder::{CellRecorder, Format, Matcher};
use campanile_tests::external_checkers;
use metrics::{Key, Label, Level, Metadata, Recorder, Unit};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
    let label = |(name, value): &(&'static str, &'static str)| Label::new(*name, *value);
    Key::from_parts(name, labels.iter().map(label).collect::<Vec<_>>())
}

/// Makes a recorder with extreme names, labels, help texts and values.
fn extreme() -> CellRecorder {
    let recorder = CellRecorder::builder()
        .with_buckets(Matcher::name("signed"), &[-1.5, 0.0, 1e-9, 3.0, 1e15, 1.5e300])
        .with_buckets(Matcher::name("no_buckets"), &[])
        .with_series_limit(3)
        .with_exemplars(|labels| {
            // Without quotes, which the Python parser takes for the end of an exemplar label. Request IDs have none.
            labels.push("request_id", "a\\b\nc} é");
            labels.push("trace_id", "x".repeat(95));
        })
        .build();
    let counter = |name, labels: &[_]| recorder.register_counter(&key(name, labels), &METADATA);
    let gauge = |name, labels: &[_]| recorder.register_gauge(&key(name, labels), &METADATA);
    let histogram = |name, labels: &[_]| recorder.register_histogram(&key(name, labels), &METADATA);

    recorder.describe_counter(
        "escaped_total".into(),
        None,
        "A \\ a \" and a\nnew line, é, 日本.".into(),
    );
    counter(
        "escaped_total",
        &[
            ("text", "a\\b\"c\nd"),
            ("empty", ""),
            ("wide", "é 日本 \u{1f980}"),
        ],
    )
    .increment(1);
    counter("escaped_total", &[("text", "\\"), ("other", "},{=\"# EOF")]).increment(1);

    recorder.describe_counter("huge_total".into(), None, "The largest value.".into());
    counter("huge_total", &[]).increment(u64::MAX);
    recorder.describe_gauge("special".into(), None, "Special values.".into());
    gauge("special", &[("is", "nan")]).set(f64::NAN);
    gauge("special", &[("is", "inf")]).set(f64::INFINITY);
    gauge("special", &[("is", "negative inf")]).set(f64::NEG_INFINITY);
    recorder.describe_gauge("small".into(), None, "Extreme values.".into());
    gauge("small", &[("is", "least")]).set(f64::MIN_POSITIVE);
    gauge("small", &[("is", "most")]).set(f64::MAX);
    gauge("small", &[("is", "negative zero")]).set(-0.0);

    recorder.describe_histogram("signed".into(), None, "Bounds of every size.".into());
    for value in [-2.0, -1.5, 0.0, 1e-10, 2.0, 1e14, 1e200] {
        histogram("signed", &[("a", "b")]).record(value);
    }
    recorder.describe_histogram("no_buckets".into(), None, "One bucket without a bound.".into());
    histogram("no_buckets", &[]).record(5.0);
    recorder.describe_histogram(
        "untouched_seconds".into(),
        Some(Unit::Seconds),
        "No samples.".into(),
    );
    drop(histogram("untouched_seconds", &[]));

    // Units that are in the name, missing, and in the wrong place.
    recorder.describe_gauge("lag_seconds".into(), Some(Unit::Seconds), "Has its unit.".into());
    gauge("lag_seconds", &[]).set(0.5);
    recorder.describe_gauge("lag".into(), Some(Unit::Seconds), "Lacks its unit.".into());
    gauge("lag", &[]).set(0.5);
    recorder.describe_counter(
        "sent_bytes_total".into(),
        Some(Unit::Bytes),
        "Has it before the end.".into(),
    );
    counter("sent_bytes_total", &[]).increment(7);
    recorder.describe_gauge(
        "load_percent".into(),
        Some(Unit::Percent),
        "A unit that is a symbol.".into(),
    );
    gauge("load_percent", &[]).set(12.0);
    recorder.describe_gauge(
        "rate".into(),
        Some(Unit::CountPerSecond),
        "A unit with a slash.".into(),
    );
    gauge("rate", &[]).set(12.0);

    // Described, but never registered.
    recorder.describe_counter("nothing_total".into(), None, "No series.".into());

    // Names and labels that become equal when they are made valid.
    recorder.describe_counter("http.hits-total".into(), None, "One of three spellings.".into());
    counter("http.hits-total", &[("a.b", "1")]).increment(1);
    counter("http_hits_total", &[("a_b", "1")]).increment(1);
    counter("http_hits_total", &[("a.b", "1"), ("a_b", "2")]).increment(1);
    recorder.describe_gauge("9.lives é".into(), None, "Begins with a digit.".into());
    gauge("9.lives é", &[("9.is", "x")]).set(9.0);

    // More series than the limit.
    recorder.describe_counter("many_total".into(), None, "Too many series.".into());
    for id in ["1", "2", "3", "4", "5"] {
        counter("many_total", &[("id", id)]).increment(1);
    }
    // One name with two kinds.
    gauge("many_total", &[]).set(1.0);
    recorder
}

/// Makes a recorder whose names differ in the classic format, but would be equal in OpenMetrics.
fn clashing() -> CellRecorder {
    let recorder = CellRecorder::new();
    let counter = |name| recorder.register_counter(&key(name, &[]), &METADATA).increment(1);
    counter("hits");
    counter("hits_total");
    counter("jobs_total");
    recorder.register_gauge(&key("jobs", &[]), &METADATA).set(5.0);
    counter("plain");
    counter("waits_total");
    recorder
        .register_histogram(&key("waits", &[]), &METADATA)
        .record(1.0);
    recorder
}

fn samples(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

fn types(text: &str) -> usize {
    text.lines().filter(|line| line.starts_with("# TYPE ")).count()
}

fn assert_parsed(text: &str, format: Format) {
    if let Some(found) = external_checkers::python(text, format, env!("CARGO_TARGET_TMPDIR")) {
        assert_eq!(
            (found.families, found.samples),
            (types(text), samples(text)),
            "{text}"
        );
        assert_eq!(
            found.exemplars,
            text.matches("} # ").count() + text.matches(" # {").count(),
            "{text}"
        );
    }
}

#[test]
fn extreme_metrics_are_parsed_by_external_checkers() {
    for recorder in [extreme(), CellRecorder::new()] {
        external_checkers::promtool(&recorder.render(Format::Prometheus));
        for format in [Format::Prometheus, Format::OpenMetrics] {
            assert_parsed(&recorder.render(format), format);
        }
    }
}

#[test]
fn sum_of_a_histogram_with_negative_bounds_is_not_in_openmetrics() {
    assert!(extreme().render(Format::Prometheus).contains("signed_sum{"));
    let text = extreme().render(Format::OpenMetrics);
    assert!(
        text.contains("signed_bucket{") && !text.contains("signed_sum{"),
        "{text}"
    );
}

#[test]
fn names_that_would_be_equal_in_openmetrics_stay_separate() {
    let recorder = clashing();
    assert_parsed(&recorder.render(Format::Prometheus), Format::Prometheus);
    let text = recorder.render(Format::OpenMetrics);
    assert_parsed(&text, Format::OpenMetrics);
    for lines in [
        "# TYPE hits unknown\nhits 1\n",
        "# TYPE hits_total unknown\nhits_total 1\n",
        "# TYPE jobs gauge\njobs 5\n",
        "# TYPE jobs_total unknown\njobs_total 1\n",
        "# TYPE plain counter\nplain_total 1\n",
        "# TYPE waits_total unknown\nwaits_total 1\n",
    ] {
        assert!(text.contains(lines), "{lines} is not in\n{text}");
    }
}
