//! Several processes that share a metrics directory, each on ports of its own.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use campanile_recorder::Format;
use campanile_tests::{
    client::{Socket, TestRequest, connect, metrics_text},
    external_checkers,
    process::{Process, wait_until},
};

use super::{PROGRAM, start_service};

/// A directory of one test, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    /// Names a directory that does not exist yet.
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("campanile-conformance-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the temporary directory is UTF-8")
    }

    fn start_service(&self) -> Process {
        start_service(&["--multiprocess-dir", self.path(), "--drain", "0"])
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // The directory may not have been created.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(process: &Process) -> String {
    metrics_text(process.admin())
}

fn fast(process: &Process, times: usize) {
    for _ in 0..times {
        assert_eq!(TestRequest::get("/fast").send(process.address()).status(), 200);
    }
}

/// Holds a request in flight until the returned connection is dropped.
fn sleeping(process: &Process) -> Box<dyn Socket> {
    let mut connection = connect(process.address()).expect("the service listens");
    connection
        .write_all(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("the connection is open");
    connection
}

/// Returns the value of the only series of a family with all these labels.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut found = text.lines().filter(|line| {
        let labelled = line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']));
        labelled && labels.iter().all(|label| line.contains(label))
    });
    let value = found.next()?.rsplit(' ').next()?.parse().ok();
    assert!(
        found.next().is_none(),
        "several series of {name} with {labels:?} in\n{text}"
    );
    value
}

/// Returns the number of completed requests to `/fast`.
fn completed(text: &str) -> Option<f64> {
    let labels = ["http_route=\"/fast\"", "outcome=\"completed\""];
    value(text, "http_server_requests_total", &labels)
}

fn active(text: &str) -> Option<f64> {
    value(
        text,
        "http_server_active_requests",
        &["http_route=\"/sleep/{s}\""],
    )
}

/// Waits until the metrics of every process match.
fn wait_for_all(processes: &[&Process], what: &str, matches: impl Fn(&str) -> bool) {
    for process in processes {
        wait_until(
            || matches(&text(process)),
            || {
                format!(
                    "{} does not show that {what}:\n{}",
                    process.admin(),
                    text(process)
                )
            },
        );
    }
}

#[test]
fn every_process_shows_the_metrics_of_all_and_totals_outlive_processes() {
    let directory = Directory::new();
    let (first, second, mut third) = (
        directory.start_service(),
        directory.start_service(),
        directory.start_service(),
    );
    fast(&first, 1);
    fast(&second, 20);
    fast(&third, 300);
    let _sleeps = sleeping(&first);
    let _ends_with_it = sleeping(&third);
    let three = [&first, &second, &third];
    wait_for_all(&three, "321 requests completed, two are active", |text| {
        completed(text) == Some(321.0) && active(text) == Some(2.0)
    });
    let third_listens = format!("listener=\"{}\"", third.address());
    assert!(text(&first).contains(&third_listens), "{}", text(&first));

    third.signal("KILL");
    assert_eq!(third.wait().code(), None, "{}", third.log());
    let one_less = text(&first);
    assert_eq!(completed(&one_less), Some(321.0), "{one_less}");
    assert_eq!(active(&one_less), Some(1.0), "{one_less}");
    let gone = value(&one_less, "http_server_open_connections", &[&third_listens]);
    assert_eq!(gone, None, "{one_less}");

    let fourth = directory.start_service();
    fast(&fourth, 4_000);
    let left = [&first, &second, &fourth];
    wait_for_all(&left, "4,321 requests completed, one is active", |text| {
        completed(text) == Some(4_321.0) && active(text) == Some(1.0)
    });
    let text_of_second = text(&second);
    external_checkers::promtool(&text_of_second);
    let found = external_checkers::python(&text_of_second, Format::Prometheus, env!("CARGO_TARGET_TMPDIR"));
    assert!(found.is_none_or(|found| found.families > 0));
    let of_one_process = text_of_second.lines().filter(|line| {
        let gauge = line.starts_with("process_") || line.starts_with("runtime_");
        gauge && !line.contains("_total") && !line.contains("_bucket{")
    });
    for line in of_one_process {
        assert!(line.contains("pid=\""), "{line}");
    }
}

#[test]
fn totals_continue_when_all_processes_have_exited() {
    let directory = Directory::new();
    let (mut first, second) = (directory.start_service(), directory.start_service());
    fast(&first, 2);
    fast(&second, 3);
    // A response is recorded after its last byte was sent.
    wait_for_all(&[&first, &second], "5 requests completed", |text| {
        completed(text) == Some(5.0)
    });
    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0), "{}", first.log());
    drop((first, second));
    let next = directory.start_service();
    let shown = text(&next);
    assert_eq!(completed(&shown), Some(5.0), "{shown}");
    // The process may have its own gauge already.
    let mut open = shown
        .lines()
        .filter(|line| line.starts_with("http_server_open_connections{"));
    assert!(
        open.all(|line| line.contains(next.address())),
        "gauges of exited processes are shown:\n{shown}"
    );
}

#[test]
fn an_unusable_directory_is_reported_before_any_socket_is_bound() {
    let directory = Directory::new();
    fs::write(directory.path(), "a file").expect("can be written");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("the listener is bound").to_string();
    for path in [directory.path(), "/proc/no-such-folder/there", ""] {
        let output = Command::new(PROGRAM)
            .args(["--listen", &taken, "--admin", &taken, "--multiprocess-dir", path])
            .output()
            .expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{path}: {stderr}");
        assert!(
            stderr.contains(path) && !stderr.contains("cannot listen"),
            "{path}: {stderr}"
        );
        assert!(
            stderr.contains("cannot ") || stderr.contains("--multiprocess-dir"),
            "{path}: {stderr}"
        );
    }
    let _ = fs::remove_file(directory.path());
}
