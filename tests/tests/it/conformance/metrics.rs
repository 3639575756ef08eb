//! `/metrics` after scripted traffic, to the letter.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use campanile_tests::{
    process::{Process, wait_until},
    wire::{Ask, Protocol, connect, read_head},
};

use super::{boot, call::call, nobody, occupy};

/// What the script below makes of the metrics: each series once, sorted, its buckets in a line, and `T` for values
/// that are times. `UPDATE_GOLDEN=1` writes it anew.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance/metrics.golden");

/// Something of everything that can happen.
fn traffic(front: &Process, back: &Process) {
    let to = front.address();
    for protocol in Protocol::ALL {
        let _ = Ask::get("/fast").ask(protocol, to);
        let _ = Ask::new("POST", "/echo").body("hello").ask(protocol, to);
    }
    let _ = Ask::get("/status/404/some.view").of(to);
    let _ = Ask::get("/boom").of(to);
    let _ = Ask::get("/nowhere").of(to);
    let _ = Ask::new("PURGE", "/any/thing").of(to);
    let _ = Ask::get("/fast").field("x-request-id", "a,b").of(to);
    let _ = Ask::get("/fast").field("x-request-deadline", "soon").of(to);
    let _ = Ask::get("/sleep/600")
        .field("x-request-deadline", "2001-02-03T04:05:06Z")
        .of(to);
    // Dropped before the head, while it holds the only slot: another one is shed.
    let busy = occupy(front);
    assert_eq!(Ask::get("/fast").of(to).status(), 503);
    drop(busy);
    wait_until(
        || {
            Ask::get("/metrics")
                .of(front.admin())
                .text()
                .contains("outcome=\"cancelled\"} 1\n")
        },
        || "nobody saw the client go".to_owned(),
    );
    // Dropped in the body.
    let mut reader = connect(to).expect("the service listens");
    reader
        .write_all(b"GET /stream?n=3000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("the connection lives");
    read_head(&mut *reader);
    drop(reader);
    wait_until(
        || {
            Ask::get("/metrics")
                .of(front.admin())
                .text()
                .contains("outcome=\"aborted\"} 1\n")
        },
        || "nobody saw the reader go".to_owned(),
    );
    // Outgoing.
    let url = |path: &str| format!("http://{}{path}", back.address());
    call(to, &url("/echo"), "");
    call(to, &url("/echo"), "&method=POST&body=x&api=post&hostname=stock");
    call(to, &url("/status/404/gone.view"), "");
    call(to, &url("/status/503/busy.view"), "");
    call(to, &url("/fast"), "&timeout=0");
    call(to, &format!("http://{}/", nobody()), "");
}

/// Brings the text into one order and takes out what differs from run to run.
fn steady(text: &str, front: &Process) -> String {
    let mut families: BTreeMap<&str, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let mut family = "";
    let mut heads = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# ") {
            family = rest.split(' ').nth(1).expect("a name");
            heads.entry(family).or_insert_with(Vec::new).push(line);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        let timed = family.contains("_seconds") && !series.contains("_count");
        let value = if timed { "T" } else { value };
        let series = series.replace(front.address(), "LISTENER");
        // The bounds come last, and in their order.
        let (series, value) = match series.split_once(",le=") {
            Some((series, bound)) => (
                format!("{series}}}"),
                format!("{}:{value}", bound.trim_matches(['"', '}'])),
            ),
            None => (series, value.to_owned()),
        };
        families
            .entry(family)
            .or_default()
            .entry(series)
            .or_default()
            .push(value);
    }
    let mut steady = String::new();
    for (name, series) in families {
        steady += &heads[name].join("\n");
        steady += "\n";
        for (series, values) in series {
            steady += &format!("{series} {}\n", values.join(" "));
        }
        steady += "\n";
    }
    steady
}

#[test]
fn metrics_after_scripted_traffic_are_those_of_the_contract() {
    let (front, back) = (
        boot(&["--max-concurrency", "1", "--max-connections", "100"]),
        boot(&[]),
    );
    traffic(&front, &back);
    let now = || Ask::get("/metrics").of(front.admin());
    assert_eq!(
        now().field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        settle(&front);
        std::fs::write(GOLDEN, steady(now().text(), &front)).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("the golden file is there");
    // Connections end a moment after their last answer was read.
    let mut last = String::new();
    wait_until(
        || {
            last = steady(now().text(), &front);
            last == golden || settled(now().text())
        },
        || "connections stay open".to_owned(),
    );
    last = steady(now().text(), &front);
    if last != golden {
        let lines = |text: &str, other: &str, sign: &str| -> String {
            let other: Vec<_> = other.lines().collect();
            let missing = text.lines().filter(|line| !other.contains(line));
            missing.map(|line| format!("{sign} {line}\n")).collect()
        };
        panic!(
            "the metrics differ from {GOLDEN}:\n{}{}",
            lines(&golden, &last, "-"),
            lines(&last, &golden, "+")
        );
    }
}

fn settled(text: &str) -> bool {
    let idle = |line: &str| line.rsplit(' ').next() == Some("0");
    text.lines()
        .filter(|line| {
            line.starts_with("http_server_open_connections{")
                || line.starts_with("http_server_active_requests{")
        })
        .all(idle)
}

fn settle(service: &Process) {
    wait_until(
        || settled(Ask::get("/metrics").of(service.admin()).text()),
        || "connections stay open".to_owned(),
    );
}

#[test]
fn labels_are_sorted_by_name() {
    let (front, back) = (
        boot(&["--max-concurrency", "1", "--max-connections", "100"]),
        boot(&[]),
    );
    traffic(&front, &back);
    let text = Ask::get("/metrics").of(front.admin()).text().to_owned();
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
}

#[test]
fn promtool_has_nothing_to_say() {
    let (front, back) = (boot(&["--max-concurrency", "1"]), boot(&[]));
    traffic(&front, &back);
    let text = Ask::get("/metrics").of(front.admin()).text().to_owned();
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match promtool {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: promtool cannot be started: {error}");
            return;
        }
    };
    let mut stdin = promtool.stdin.take().expect("the pipe was asked for");
    stdin.write_all(text.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && said.is_empty(),
        "{}",
        said.escape_ascii()
    );
}
