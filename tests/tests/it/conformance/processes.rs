//! Several processes that count in one directory, each at ports of its own.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use campanile_recorder::Format;
use campanile_tests::{
    judges,
    process::{Process, wait_until},
    wire::{Ask, Socket, connect},
};

use super::{PROGRAM, boot};

/// A directory that no other test has, and that goes with its test.
struct Directory(PathBuf);

impl Directory {
    /// Names one that is not there yet.
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("campanile-conformance-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("the folder of temporary files is text")
    }

    fn boot(&self) -> Process {
        boot(&["--multiprocess-dir", self.path()])
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What made it may have failed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(process: &Process) -> String {
    Ask::get("/metrics").of(process.admin()).text().to_owned()
}

fn fast(process: &Process, times: usize) {
    for _ in 0..times {
        assert_eq!(Ask::get("/fast").of(process.address()).status(), 200);
    }
}

/// Has the service sleep for somebody until the connection is dropped.
fn sleeping(process: &Process) -> Box<dyn Socket> {
    let mut connection = connect(process.address()).expect("the service listens");
    connection
        .write_all(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("the connection lives");
    connection
}

/// The value of the only series of a name that has all these labels.
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
        "{name} with {labels:?} is several in\n{text}"
    );
    value
}

/// What all have answered of `/fast`.
fn answered(text: &str) -> Option<f64> {
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

/// Waits until every one of them says so.
fn all_say(processes: &[&Process], what: &str, so: impl Fn(&str) -> bool) {
    for process in processes {
        wait_until(
            || so(&text(process)),
            || format!("{} does not say that {what}:\n{}", process.admin(), text(process)),
        );
    }
}

#[test]
fn any_process_tells_of_all_and_the_dead_leave_their_totals() {
    let directory = Directory::new();
    let (first, second, mut third) = (directory.boot(), directory.boot(), directory.boot());
    fast(&first, 1);
    fast(&second, 20);
    fast(&third, 300);
    let _sleeps = sleeping(&first);
    let _ends_with_it = sleeping(&third);
    let three = [&first, &second, &third];
    all_say(&three, "321 were answered, two sleep", |text| {
        answered(text) == Some(321.0) && active(text) == Some(2.0)
    });
    let third_listens = format!("listener=\"{}\"", third.address());
    assert!(text(&first).contains(&third_listens), "{}", text(&first));

    third.signal("KILL");
    assert_eq!(third.wait().code(), None, "{}", third.log());
    let one_less = text(&first);
    assert_eq!(answered(&one_less), Some(321.0), "{one_less}");
    assert_eq!(active(&one_less), Some(1.0), "{one_less}");
    let gone = value(&one_less, "http_server_open_connections", &[&third_listens]);
    assert_eq!(gone, None, "{one_less}");

    let fourth = directory.boot();
    fast(&fourth, 4_000);
    let left = [&first, &second, &fourth];
    all_say(&left, "4,321 were answered, one sleeps", |text| {
        answered(text) == Some(4_321.0) && active(text) == Some(1.0)
    });
    let settled = text(&second);
    judges::promtool(&settled);
    let found = judges::python(&settled, Format::Prometheus, env!("CARGO_TARGET_TMPDIR"));
    assert!(found.is_none_or(|found| found.families > 0));
    let of_one_process = settled.lines().filter(|line| {
        let gauge = line.starts_with("process_") || line.starts_with("runtime_");
        gauge && !line.contains("_total") && !line.contains("_bucket{")
    });
    for line in of_one_process {
        assert!(line.contains("pid=\""), "{line}");
    }
}

#[test]
fn totals_go_on_when_all_have_ended_and_one_begins() {
    let directory = Directory::new();
    let (mut first, second) = (directory.boot(), directory.boot());
    fast(&first, 2);
    fast(&second, 3);
    // An answer is counted a moment after its last byte was sent.
    all_say(&[&first, &second], "5 were answered", |text| {
        answered(text) == Some(5.0)
    });
    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0), "{}", first.log());
    drop((first, second));
    let next = directory.boot();
    let says = text(&next);
    assert_eq!(answered(&says), Some(5.0), "{says}");
    // Its own may be there already.
    let mut open = says
        .lines()
        .filter(|line| line.starts_with("http_server_open_connections{"));
    assert!(
        open.all(|line| line.contains(next.address())),
        "the gauges of the dead are there:\n{says}"
    );
}

#[test]
fn a_directory_that_cannot_be_used_is_named_before_any_socket_is_bound() {
    let directory = Directory::new();
    fs::write(directory.path(), "a file").expect("can be written");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("it is bound").to_string();
    for path in [directory.path(), "/proc/no-such-folder/there", ""] {
        let output = Command::new(PROGRAM)
            .args(["--listen", &taken, "--admin", &taken, "--multiprocess-dir", path])
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{path}: {said}");
        assert!(
            said.contains(path) && !said.contains("cannot listen"),
            "{path}: {said}"
        );
        assert!(
            said.contains("cannot ") || said.contains("--multiprocess-dir"),
            "{path}: {said}"
        );
    }
    let _ = fs::remove_file(directory.path());
}
