//! The worst text that the recorder can be made to write, before judges that other people wrote.

use campanile_recorder::{CellRecorder, Format, Matcher};
use campanile_tests::judges;
use metrics::{Key, Label, Level, Metadata, Recorder, Unit};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
    let label = |(name, value): &(&'static str, &'static str)| Label::new(*name, *value);
    Key::from_parts(name, labels.iter().map(label).collect::<Vec<_>>())
}

/// Everything that a name, a label, a help or a number can be.
fn nasty() -> CellRecorder {
    let recorder = CellRecorder::builder()
        .with_buckets(Matcher::name("signed"), &[-1.5, 0.0, 1e-9, 3.0, 1e15, 1.5e300])
        .with_buckets(Matcher::name("no_buckets"), &[])
        .with_series_limit(3)
        .with_exemplars(|labels| {
            // No quotes: the Python parser believes that an escaped one ends an exemplar's label. An id has none.
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

    recorder.describe_counter("huge_total".into(), None, "Nearly too much.".into());
    counter("huge_total", &[]).increment(u64::MAX);
    recorder.describe_gauge("odd".into(), None, "What gauges may be.".into());
    gauge("odd", &[("is", "nan")]).set(f64::NAN);
    gauge("odd", &[("is", "inf")]).set(f64::INFINITY);
    gauge("odd", &[("is", "negative inf")]).set(f64::NEG_INFINITY);
    recorder.describe_gauge("small".into(), None, "What gauges may be, too.".into());
    gauge("small", &[("is", "least")]).set(f64::MIN_POSITIVE);
    gauge("small", &[("is", "most")]).set(f64::MAX);
    gauge("small", &[("is", "less than nothing")]).set(-0.0);

    recorder.describe_histogram("signed".into(), None, "Bounds of every size.".into());
    for value in [-2.0, -1.5, 0.0, 1e-10, 2.0, 1e14, 1e200] {
        histogram("signed", &[("a", "b")]).record(value);
    }
    recorder.describe_histogram("no_buckets".into(), None, "One bucket, which has no end.".into());
    histogram("no_buckets", &[]).record(5.0);
    recorder.describe_histogram(
        "untouched_seconds".into(),
        Some(Unit::Seconds),
        "Nothing yet.".into(),
    );
    drop(histogram("untouched_seconds", &[]));

    // Units that the name has, has not, and has in the wrong place.
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
        "A unit that is a sign.".into(),
    );
    gauge("load_percent", &[]).set(12.0);
    recorder.describe_gauge(
        "rate".into(),
        Some(Unit::CountPerSecond),
        "A unit with a slash.".into(),
    );
    gauge("rate", &[]).set(12.0);

    // Described, and never registered.
    recorder.describe_counter("nothing_total".into(), None, "Nothing.".into());

    // What becomes one after it was made valid: names, and labels.
    recorder.describe_counter("http.hits-total".into(), None, "One of three spellings.".into());
    counter("http.hits-total", &[("a.b", "1")]).increment(1);
    counter("http_hits_total", &[("a_b", "1")]).increment(1);
    counter("http_hits_total", &[("a.b", "1"), ("a_b", "2")]).increment(1);
    recorder.describe_gauge("9.lives é".into(), None, "Begins with a digit.".into());
    gauge("9.lives é", &[("9.is", "x")]).set(9.0);

    // Beyond the limit of series.
    recorder.describe_counter("many_total".into(), None, "Too many.".into());
    for id in ["1", "2", "3", "4", "5"] {
        counter("many_total", &[("id", id)]).increment(1);
    }
    // Two kinds of one name.
    gauge("many_total", &[]).set(1.0);
    recorder
}

/// Names that differ in the classic format, and in OpenMetrics only if somebody cares.
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
    if let Some(found) = judges::python(text, format, env!("CARGO_TARGET_TMPDIR")) {
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
fn nothing_is_so_odd_that_its_text_cannot_be_read() {
    for recorder in [nasty(), CellRecorder::new()] {
        judges::promtool(&recorder.render(Format::Prometheus));
        for format in [Format::Prometheus, Format::OpenMetrics] {
            assert_parsed(&recorder.render(format), format);
        }
    }
}

#[test]
fn a_sum_that_can_fall_is_not_in_openmetrics() {
    assert!(nasty().render(Format::Prometheus).contains("signed_sum{"));
    let text = nasty().render(Format::OpenMetrics);
    assert!(
        text.contains("signed_bucket{") && !text.contains("signed_sum{"),
        "{text}"
    );
}

#[test]
fn names_that_would_be_one_in_openmetrics_stay_two() {
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
