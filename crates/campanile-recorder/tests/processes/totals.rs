//! Totals over live and exited processes.

use std::{
    collections::HashMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use campanile_recorder::{CellRecorder, Format, GaugeMode, Matcher};
use metrics::{Recorder, Unit};

use super::{METADATA, TestDirectory, child::Child, count, key, render, value};

#[test]
fn two_processes_add_up() {
    let directory = TestDirectory::new("two");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    count(&recorder, "hits_total", 2);
    let mut child = Child::spawn(directory.path());
    child.call("count hits_total 40");
    child.call("gauge level 5");
    child.call("observe wait_seconds 0.25");
    for text in [render(&recorder), child.call("scrape")] {
        assert_eq!(value(&text, "hits_total"), Some(42.0), "{text}");
        assert_eq!(value(&text, "level"), Some(5.0), "{text}");
        assert_eq!(value(&text, "wait_seconds_count"), Some(1.0), "{text}");
    }
    let own = recorder.own_snapshot().render(Format::Prometheus);
    assert_eq!(own, "# TYPE hits_total counter\nhits_total 2\n");
    child.kill();
    let text = render(&recorder);
    assert_eq!(value(&text, "hits_total"), Some(42.0), "{text}");
    assert_eq!(value(&text, "level"), None, "{text}");
    assert_eq!(value(&text, "wait_seconds_sum"), Some(0.25), "{text}");
    assert_eq!(directory.cells().len(), 1, "{:?}", directory.names());
}

/// The last totals; none may ever fall.
#[derive(Default)]
struct MonotonicTotals(HashMap<String, f64>);

impl MonotonicTotals {
    fn check(&mut self, text: &str, who: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, now) = line.rsplit_once(' ').expect("has a value");
            let is_total = ["_total", "_count", "_sum", "_bucket"]
                .iter()
                .any(|end| series.split('{').next().is_some_and(|name| name.ends_with(end)));
            if !is_total {
                continue;
            }
            let now: f64 = now.parse().expect("is a number");
            let before = self.0.insert(series.to_owned(), now).unwrap_or(0.0);
            assert!(
                now >= before,
                "{series} fell from {before} to {now} in the view of {who}"
            );
        }
    }
}

fn join(directory: &Path, index: usize) -> Child {
    let mut child = Child::spawn(directory);
    child.call("gauge members 1");
    child.call("gauge process_marker 1");
    if index.is_multiple_of(4) {
        child.call("load load_total");
    }
    child
}

/// Sixteen processes record, in lockstep and under load. Two hundred times one is killed and replaced. In the meantime
/// two further processes and the parent scrape.
#[test]
fn no_count_is_lost_or_doubled_when_processes_are_killed() {
    const MEMBERS: usize = 16;
    const KILLS: u64 = 200;
    let directory = TestDirectory::new("killed");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    let stop = AtomicBool::new(false);
    let (mut granted, mut observed, mut acknowledged, mut loaded) = (0, 0, 0, 0);
    std::thread::scope(|scope| {
        let scraper = scope.spawn(|| {
            let mut scrapers = [join(directory.path(), 1), join(directory.path(), 1)];
            let own = CellRecorder::builder().open(directory.path()).expect("opens");
            let (mut seen, mut scrapes) = (MonotonicTotals::default(), 0_u64);
            while !stop.load(Relaxed) {
                seen.check(&scrapers[0].call("scrape"), "the first");
                seen.check(&render(&own), "the parent");
                seen.check(&scrapers[1].call("scrape"), "the second");
                scrapes += 3;
            }
            (scrapes, scrapers)
        });
        // A panic here must not leave the scraper waiting for the end.
        let _stops = StopOnDrop(&stop);
        let mut members: Vec<Child> = (0..MEMBERS).map(|index| join(directory.path(), index)).collect();
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for kill in 0..KILLS {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            for member in &mut members {
                let grant = 1 + random % 7;
                member.send(&format!("count granted_total {grant}"));
                member.send("observe wait_seconds 0.1");
                granted += grant;
                observed += 1;
            }
            for member in &mut members {
                member.reply();
                member.reply();
            }
            let victim = (random >> 32) as usize % MEMBERS;
            let next = join(directory.path(), victim);
            let pid = next.pid();
            let mut gone = std::mem::replace(&mut members[victim], next);
            if kill.is_multiple_of(3) {
                // It may be killed during a compaction.
                gone.send("scrape unseen");
            }
            let gone_pid = gone.pid();
            loaded += u64::from(victim.is_multiple_of(4));
            acknowledged += gone.kill();
            let text = render(&recorder);
            assert_eq!(
                value(&text, &format!("process_marker{{pid=\"{gone_pid}\"}}")),
                None,
                "the gauge of an exited process is rendered: {text}"
            );
            assert_eq!(
                value(&text, &format!("process_marker{{pid=\"{pid}\"}}")),
                Some(1.0)
            );
            assert_eq!(
                value(&text, "granted_total"),
                Some(granted as f64),
                "after kill {kill}"
            );
        }
        for (index, member) in members.into_iter().enumerate() {
            loaded += u64::from(index.is_multiple_of(4));
            acknowledged += member.kill();
        }
        stop.store(true, Relaxed);
        let (scrapes, scrapers) = scraper.join().expect("no total falls");
        drop(scrapers);
        assert!(scrapes > 30, "only {scrapes} scrapes");
    });
    let text = render(&recorder);
    assert_eq!(value(&text, "granted_total"), Some(granted as f64), "{text}");
    assert_eq!(
        value(&text, "wait_seconds_count"),
        Some(observed as f64),
        "{text}"
    );
    let sum = value(&text, "wait_seconds_sum").expect("is rendered");
    assert!((sum - observed as f64 * 0.1).abs() < 1e-6, "{sum} of {observed}");
    let load = value(&text, "load_total").expect("is rendered") as u64;
    assert!(
        (acknowledged..=acknowledged + loaded).contains(&load),
        "{load} counted, {acknowledged} acknowledged, {loaded} killed"
    );
    assert_eq!(value(&text, "members"), None, "{text}");
    // The own file, the archive and the lock.
    let names = directory.names();
    assert!(names.len() <= 3, "the directory grew: {names:?}");
}

/// Stops the scraper, also after a panic.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn sixty_four_processes_at_once_add_up() {
    let directory = TestDirectory::new("at-once");
    let mut children: Vec<Child> = (0..64).map(|_| Child::spawn(directory.path())).collect();
    for child in &mut children {
        child.send("count hits_total 3");
        child.send("gauge level 2");
        child.send("series ids_total 20");
    }
    for child in &mut children {
        for _ in 0..3 {
            child.reply();
        }
    }
    for child in &mut children {
        child.send("scrape");
    }
    for child in &mut children {
        let text = child.reply();
        assert_eq!(value(&text, "hits_total"), Some(192.0), "{text}");
        assert_eq!(value(&text, "level"), Some(128.0), "{text}");
        assert_eq!(value(&text, "ids_total{index=\"19\"}"), Some(64.0), "{text}");
    }
    // All but one exit; the last one archives them.
    let mut last = children.pop().expect("there are 64");
    drop(children);
    let text = last.call("scrape");
    assert_eq!(value(&text, "hits_total"), Some(192.0), "{text}");
    assert_eq!(value(&text, "level"), Some(2.0), "{text}");
    assert_eq!(
        value(&text, "campanile_recorder_folded_processes_total"),
        Some(63.0),
        "{text}"
    );
    assert_eq!(directory.cells().len(), 1, "{:?}", directory.names());
}

#[test]
fn one_process_at_a_time_is_the_writer() {
    let directory = TestDirectory::new("writer");
    let mut first = Child::spawn(directory.path());
    assert_eq!(first.call("is writer"), "true\n");
    let mut second = Child::spawn(directory.path());
    assert_eq!(second.call("is writer"), "false\n");
    assert_eq!(first.call("is writer"), "true\n");
    first.kill();
    assert_eq!(second.call("is writer"), "true\n");
    assert!(
        CellRecorder::new().is_writer(),
        "without a directory it is always true"
    );
}

#[test]
fn gauges_are_combined_by_their_modes() {
    let directory = TestDirectory::new("modes");
    let recorder = CellRecorder::builder()
        .with_gauge_mode(Matcher::name("queue_peak"), GaugeMode::Max)
        .with_gauge_mode(Matcher::name("others_peak"), GaugeMode::Max)
        .open(directory.path())
        .expect("opens");
    let gauges = [
        "level",
        "http_server_connection_limit",
        "build_info",
        "lifecycle_drain_seconds",
        "process_open_fds",
        "runtime_workers",
        "queue_peak",
    ];
    for name in gauges {
        recorder.register_gauge(&key(name, &[]), &METADATA).set(3.0);
    }
    let mut child = Child::spawn(directory.path());
    for name in gauges {
        child.call(&format!("gauge {name} 4"));
    }
    let mut third = Child::spawn(directory.path());
    for (child, value) in [(&mut child, 6), (&mut third, 5)] {
        child.call(&format!("gauge others_peak {value}"));
    }
    let text = render(&recorder);
    let (own, other) = (std::process::id(), child.pid());
    for (series, expected) in [
        ("level".to_owned(), 7.0),
        ("http_server_connection_limit".to_owned(), 4.0),
        ("build_info".to_owned(), 4.0),
        ("lifecycle_drain_seconds".to_owned(), 4.0),
        ("queue_peak".to_owned(), 4.0),
        ("others_peak".to_owned(), 6.0),
        (format!("process_open_fds{{pid=\"{own}\"}}"), 3.0),
        (format!("process_open_fds{{pid=\"{other}\"}}"), 4.0),
        (format!("runtime_workers{{pid=\"{own}\"}}"), 3.0),
        (format!("runtime_workers{{pid=\"{other}\"}}"), 4.0),
    ] {
        assert_eq!(value(&text, &series), Some(expected), "{series} in {text}");
    }
}

/// In two containers that share a directory, each process has pid 1.
#[test]
fn gauges_of_processes_with_the_same_pid_have_different_labels() {
    let directory = TestDirectory::new("same-pid");
    let open = || CellRecorder::builder().open(directory.path()).expect("opens");
    let recorders = [open(), open(), open()];
    let pid = std::process::id();
    let own = pid.to_string();
    for (recorder, value) in recorders.iter().zip([1.0, 2.0, 4.0]) {
        recorder
            .register_gauge(&key("process_open_fds", &[]), &METADATA)
            .set(value);
        for (name, labels) in [
            ("runtime_named", [("pid", &*own)]),
            ("runtime_empty", [("pid", "")]),
            ("runtime_other", [("pid", "a name")]),
        ] {
            recorder.register_gauge(&key(name, &labels), &METADATA).set(value);
        }
    }
    for recorder in &recorders {
        let text = render(recorder);
        for name in ["process_open_fds", "runtime_named", "runtime_empty"] {
            for (suffix, expected) in [("", 1.0), ("-2", 2.0), ("-3", 4.0)] {
                let series = format!("{name}{{pid=\"{pid}{suffix}\"}}");
                assert_eq!(value(&text, &series), Some(expected), "{text}");
            }
        }
        assert_eq!(value(&text, "runtime_other{pid=\"a name\"}"), Some(4.0), "{text}");
    }
    assert_eq!(directory.cells().len(), 3, "{:?}", directory.names());
}

#[test]
fn series_that_differ_by_an_empty_or_reserved_label_add_up_over_processes() {
    let directory = TestDirectory::new("empty-label");
    let open = || CellRecorder::builder().open(directory.path()).expect("opens");
    let (dead, other, recorder) = (open(), open(), open());
    for (recorder, labels, hits) in [
        (&dead, &[("a", ""), ("b", "1"), ("c", "")][..], 1),
        (&other, &[("b", "1"), ("d", "")], 10),
        (&recorder, &[("b", "1")], 100),
    ] {
        recorder
            .register_counter(&key("hits_total", labels), &METADATA)
            .increment(hits);
        recorder
            .register_histogram(&key("wait_seconds", labels), &METADATA)
            .record(1.0);
    }
    let totals = |recorder: &CellRecorder| {
        let text = render(recorder);
        let mut hits = text.lines().filter(|line| line.starts_with("hits_total{"));
        let (hit, other) = (hits.next().map(str::to_owned), hits.next());
        assert_eq!(other, None, "{text}");
        assert_eq!(text.matches("wait_seconds_count{").count(), 1, "{text}");
        hit.expect("is rendered")
    };
    assert!(totals(&recorder).ends_with(" 111"), "{}", totals(&recorder));
    drop(dead);
    assert_eq!(totals(&recorder), "hits_total{b=\"1\"} 111");
    drop(other);
    assert_eq!(totals(&recorder), "hits_total{b=\"1\"} 111");
    assert!(totals(&open()).ends_with(" 111"));
}

#[test]
fn histograms_with_different_buckets_are_merged_in_their_common_ones() {
    let directory = TestDirectory::new("buckets");
    let open = |bounds: &[f64]| {
        CellRecorder::builder()
            .with_buckets(Matcher::name("wait_seconds"), bounds)
            .open(directory.path())
            .expect("opens")
    };
    let (old, new) = (open(&[0.1, 0.5, 1.0]), open(&[0.25, 0.5, 2.0]));
    for recorder in [&old, &new] {
        let wait = recorder.register_histogram(&key("wait_seconds", &[]), &METADATA);
        [0.05, 0.2, 0.5, 0.7, 1.5, 9.0]
            .iter()
            .for_each(|value| wait.record(*value));
    }
    let expected = "# TYPE wait_seconds histogram\n\
                    wait_seconds_bucket{le=\"0.5\"} 6\n\
                    wait_seconds_bucket{le=\"+Inf\"} 12\n\
                    wait_seconds_sum 23.9\n\
                    wait_seconds_count 12\n";
    assert_eq!(render(&old), expected);
    assert_eq!(render(&new), expected);
    drop(old);
    assert!(
        render(&new).ends_with(expected),
        "the same once archived: {}",
        render(&new)
    );
}

#[test]
fn the_kind_of_the_rendering_process_wins() {
    let directory = TestDirectory::new("kinds");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    let mut child = Child::spawn(directory.path());
    child.call("gauge level 4");
    child.call("gauge other 4");
    count(&recorder, "level", 1);
    let text = render(&recorder);
    assert_eq!(value(&text, "level"), Some(1.0), "{text}");
    assert_eq!(value(&text, "other"), Some(4.0), "{text}");
    assert_eq!(
        value(&text, "campanile_recorder_skipped_series{metric=\"level\"}"),
        Some(1.0),
        "{text}"
    );
    assert_eq!(value(&child.call("scrape"), "level"), Some(4.0));
}

#[test]
fn the_series_limit_holds_over_all_processes() {
    let directory = TestDirectory::new("limit");
    let mut child = Child::spawn(directory.path());
    child.call("series ids_total 5");
    let recorder = CellRecorder::builder()
        .with_series_limit(6)
        .open(directory.path())
        .expect("opens");
    for index in ["4", "5", "6", "7"] {
        recorder
            .register_counter(&key("ids_total", &[("index", index)]), &METADATA)
            .increment(1);
    }
    let expected = "ids_total{index=\"0\"} 1\n\
                    ids_total{index=\"1\"} 1\n\
                    ids_total{index=\"2\"} 1\n\
                    ids_total{index=\"3\"} 1\n\
                    ids_total{index=\"4\"} 2\n\
                    ids_total{index=\"5\"} 1\n\
                    ids_total{otel_metric_overflow=\"true\"} 2\n";
    assert!(render(&recorder).ends_with(expected), "{}", render(&recorder));
    child.kill();
    assert!(render(&recorder).ends_with(expected), "{}", render(&recorder));
}

#[test]
fn help_and_unit_are_shared() {
    let directory = TestDirectory::new("help");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    let other = CellRecorder::builder().open(directory.path()).expect("opens");
    other.describe_histogram("wait_seconds".into(), Some(Unit::Seconds), "How long.".into());
    other
        .register_histogram(&key("wait_seconds", &[]), &METADATA)
        .record(1.0);
    for _ in 0..2 {
        let text = recorder.render(Format::OpenMetrics);
        assert!(text.contains("# HELP wait_seconds How long.\n"), "{text}");
        assert!(text.contains("# UNIT wait_seconds seconds\n"), "{text}");
        // Once more from its own file; below from the archive.
        count(&other, "hits_total", 1);
    }
    drop(other);
    let text = recorder.render(Format::OpenMetrics);
    assert!(text.contains("# HELP wait_seconds How long.\n"), "{text}");
    assert!(text.contains("# UNIT wait_seconds seconds\n"), "{text}");
}

#[test]
fn exemplars_are_those_of_the_rendering_process() {
    let directory = TestDirectory::new("exemplars");
    let open = |id: &'static str| {
        CellRecorder::builder()
            .with_buckets(Matcher::suffix("_seconds"), &[1.0])
            .with_exemplars(move |labels| labels.push("request_id", id))
            .open(directory.path())
            .expect("opens")
    };
    let (own, other) = (open("own"), open("other"));
    for recorder in [&own, &other] {
        recorder
            .register_histogram(&key("wait_seconds", &[]), &METADATA)
            .record(0.5);
    }
    let text = own.render(Format::OpenMetrics);
    assert!(
        text.contains("wait_seconds_bucket{le=\"1.0\"} 2 # {request_id=\"own\"} 0.5 "),
        "{text}"
    );
}

#[test]
fn a_handle_outlives_its_recorder() {
    let directory = TestDirectory::new("handle");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    let counter = recorder.register_counter(&key("hits_total", &[]), &METADATA);
    drop(recorder);
    counter.increment(1);
    let other = CellRecorder::builder().open(directory.path()).expect("opens");
    counter.increment(1);
    assert_eq!(value(&render(&other), "hits_total"), Some(2.0));
}

#[test]
fn a_suspended_process_with_the_lock_blocks_no_other() {
    let directory = TestDirectory::new("stopped");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    let lock = super::lock(&directory.path().join("campanile-1.lock"));
    let mut child = Child::spawn(directory.path());
    child.call("count hits_total 3");
    child.call("gauge level 3");
    child.kill();
    for _ in 0..2 {
        let text = render(&recorder);
        assert_eq!(value(&text, "hits_total"), Some(3.0), "{text}");
        assert_eq!(value(&text, "level"), None, "{text}");
    }
    assert_eq!(
        directory.cells().len(),
        2,
        "nothing was archived: {:?}",
        directory.names()
    );
    drop(lock);
    // A child that another test is spawning inherits the lock until it calls exec.
    let archived = (0..1_000).any(|_| {
        assert_eq!(value(&render(&recorder), "hits_total"), Some(3.0));
        std::thread::sleep(std::time::Duration::from_millis(10));
        directory.cells().len() == 1
    });
    assert!(archived, "not archived within 10 s: {:?}", directory.names());
}

#[test]
fn a_process_with_a_lower_limit_keeps_the_series_of_others() {
    let directory = TestDirectory::new("limits");
    let with = |limit| {
        let builder = CellRecorder::builder().with_series_limit(limit);
        builder.open(directory.path()).expect("opens")
    };
    let dead = with(10);
    for index in ["0", "1", "2", "3"] {
        dead.register_counter(&key("hits_total", &[("index", index)]), &METADATA)
            .increment(1);
    }
    drop(dead);
    let low = with(2);
    let text = render(&low);
    assert_eq!(
        value(&text, "hits_total{otel_metric_overflow=\"true\"}"),
        Some(2.0),
        "{text}"
    );
    let text = render(&with(10));
    assert_eq!(value(&text, "hits_total{index=\"3\"}"), Some(1.0), "{text}");
    assert!(!text.contains("otel_metric_overflow"), "{text}");
}
