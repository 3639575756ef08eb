//! `--profile talisker`, as a daemon and a scraper of talisker's see it.
//!
//! Each row is a case of what talisker counts, with what it sends. Where this service differs from talisker, and is
//! meant to, the row says so.

use std::{
    thread,
    time::{Duration, Instant},
};

use campanile_recorder::Format;
use campanile_tests::{process::Process, wire::Ask};
use serde_json::Value;

use super::{
    boot,
    call::call,
    daemon::{Daemon, masked},
    nobody, occupy,
    steady::{assert_golden, steady},
    upstreams::{Full, redirector, resets, says, silent},
};

/// What is scraped after all rows, whatever the recorder.
const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/conformance/talisker.golden"
);

/// An outgoing call.
struct Row {
    what: &'static str,
    url: String,
    more: String,
    /// The lines below `x.requests.`, in their order.
    sent: &'static [&'static str],
}

fn row(what: &'static str, url: impl Into<String>, more: &str, sent: &'static [&'static str]) -> Row {
    Row {
        what,
        url: url.into(),
        more: more.to_owned(),
        sent,
    }
}

const REFUSED: &[&str] = &[
    "count.127-0-0-1.unknown:1|c",
    "errors.127-0-0-1.connection.unknown.ECONNREFUSED:1|c",
];
const UNKNOWN: &[&str] = &[
    "count.127-0-0-1.unknown:1|c",
    "errors.127-0-0-1.connection.unknown.unknown:1|c",
];
/// talisker has no line for timeouts, though its documents promise one.
const TIMED_OUT: &[&str] = &[
    "count.127-0-0-1.unknown:1|c",
    "errors.127-0-0-1.connection.unknown.unknown:1|c",
    "timeouts.127-0-0-1.unknown:1|c",
];
const UNNAMED: &[&str] = &[
    "count.127-0-0-1.unknown:1|c",
    "latency.127-0-0-1.unknown.200:T|ms",
];
const SHED: &[&str] = &[
    "count.shop.unknown:1|c",
    "latency.shop.unknown.503:T|ms",
    "errors.shop.http.unknown.503:1|c",
];

/// What counts as what.
fn ends(back: &Process, full: &Full) -> Vec<Row> {
    let at = |path: &str| format!("http://{}{path}", back.address());
    vec![
        row(
            "2xx",
            at("/echo"),
            "",
            &[
                "count.127-0-0-1.echo.view:1|c",
                "latency.127-0-0-1.echo.view.200:T|ms",
            ],
        ),
        row(
            "4xx is no error",
            at("/status/404/gone.view"),
            "",
            &[
                "count.127-0-0-1.gone.view:1|c",
                "latency.127-0-0-1.gone.view.404:T|ms",
            ],
        ),
        row(
            "500",
            at("/status/500/bad.view"),
            "",
            &[
                "count.127-0-0-1.bad.view:1|c",
                "latency.127-0-0-1.bad.view.500:T|ms",
                "errors.127-0-0-1.http.bad.view.500:1|c",
            ],
        ),
        row(
            "599",
            at("/status/599/bad.view"),
            "",
            &[
                "count.127-0-0-1.bad.view:1|c",
                "latency.127-0-0-1.bad.view.599:T|ms",
                "errors.127-0-0-1.http.bad.view.599:1|c",
            ],
        ),
        row("refused", format!("http://{}/", nobody()), "", REFUSED),
        row(
            "reset by the peer",
            format!("http://{}/", resets()),
            "",
            &[
                "count.127-0-0-1.unknown:1|c",
                "errors.127-0-0-1.connection.unknown.ECONNRESET:1|c",
            ],
        ),
        row(
            "name not found",
            "http://nowhere.invalid/",
            "",
            &[
                "count.nowhere-invalid.unknown:1|c",
                "errors.nowhere-invalid.connection.unknown.EAI:1|c",
            ],
        ),
        row(
            "read timeout",
            format!("http://{}/", silent()),
            "&timeout=0.2",
            TIMED_OUT,
        ),
        row(
            "connect timeout, by the call's own",
            format!("http://{}/", full.address),
            "&timeout=0.2",
            TIMED_OUT,
        ),
        row(
            "connect timeout, by the connector's",
            format!("http://{}/", full.address),
            "",
            TIMED_OUT,
        ),
        row(
            "closed without an answer",
            format!("http://{}/", says("")),
            "",
            UNKNOWN,
        ),
        row(
            "garbage in place of a status line",
            format!("http://{}/", says("what do you want\r\n\r\n")),
            "",
            UNKNOWN,
        ),
        row(
            // talisker counts it twice, the second time without its view.
            "body shorter than promised, one call",
            format!(
                "http://{}/",
                says("HTTP/1.1 200 OK\r\nX-View-Name: short.view\r\nContent-Length: 9\r\n\r\nok")
            ),
            "",
            &[
                "count.127-0-0-1.short.view:1|c",
                "latency.127-0-0-1.short.view.200:T|ms",
                "errors.127-0-0-1.connection.short.view.unknown:1|c",
            ],
        ),
        row("unsupported scheme", "gopher://127.0.0.1:70/", "", UNKNOWN),
        row("malformed URL: no call", "nonsense://:::", "", &[]),
        row("deadline passed", at("/fast"), "&timeout=0", TIMED_OUT),
        row(
            "redirect, each hop with its own view",
            format!("http://{}/start", redirector(&at("/echo"))),
            "",
            &[
                "count.127-0-0-1.unknown:1|c",
                "latency.127-0-0-1.unknown.307:T|ms",
                "count.127-0-0-1.unknown:1|c",
                "latency.127-0-0-1.unknown.302:T|ms",
                "count.127-0-0-1.echo.view:1|c",
                "latency.127-0-0-1.echo.view.200:T|ms",
            ],
        ),
    ]
}

/// How hosts and views are named.
fn names(back: &Process) -> Vec<Row> {
    let at = |path: &str| format!("http://{}{path}", back.address());
    let long = format!("/status/200/{}", "v".repeat(65));
    let port = back.address().rsplit_once(':').expect("a port").1;
    vec![
        row("no view", at("/fast"), "", UNNAMED),
        row(
            "api and hostname given",
            at("/echo"),
            "&api=get-item&hostname=Stock.Lon:8080",
            &[
                "count.stock-lon.get-item:1|c",
                "latency.stock-lon.get-item.200:T|ms",
            ],
        ),
        row(
            // talisker takes them as names and sends `requests.count..`.
            "api and hostname empty: as if not given",
            at("/echo"),
            "&api=&hostname=",
            &[
                "count.127-0-0-1.echo.view:1|c",
                "latency.127-0-0-1.echo.view.200:T|ms",
            ],
        ),
        row(
            "host in capitals, with port",
            format!("http://LocalHost:{port}/fast"),
            "",
            &[
                "count.localhost.unknown:1|c",
                "latency.localhost.unknown.200:T|ms",
            ],
        ),
        row(
            // talisker leaves the colons, and no daemon can read the line.
            "IPv6 literal",
            "http://[::1]:1/",
            "",
            &[
                "count.--1.unknown:1|c",
                "errors.--1.connection.unknown.ECONNREFUSED:1|c",
            ],
        ),
        row(
            // talisker sends it raw, and breaks the line.
            "view with what would break a line",
            at("/status/200/a:b.c"),
            "",
            &["count.127-0-0-1.a-b.c:1|c", "latency.127-0-0-1.a-b.c.200:T|ms"],
        ),
        // talisker takes any: here they are none.
        row("odd view", at("/status/200/a%7Cb%23c"), "", UNNAMED),
        row("long view", at(&long), "", UNNAMED),
        row(
            // Last: the name stays for the calls after this.
            "registered name, by host and port",
            at("/echo"),
            &format!("&name={},Cata.logue", back.address()),
            &[
                "count.cata-logue.echo.view:1|c",
                "latency.cata-logue.echo.view.200:T|ms",
            ],
        ),
    ]
}

fn start(recorder: &str) -> (Daemon, Process) {
    let daemon = Daemon::listen();
    let flags = [
        "--profile",
        "talisker",
        "--recorder",
        recorder,
        "--statsd",
        daemon.address(),
        "--statsd-prefix",
        "x",
    ];
    let service = boot(&flags);
    (daemon, service)
}

/// Makes each call and compares the lines that come until the request around it has ended.
fn check(daemon: &Daemon, front: &Process, rows: &[Row]) {
    for row in rows {
        let seen = daemon.lines().len();
        call(front.address(), &row.url, &row.more);
        let lines = daemon.lines_until(seen, "x.wsgi.latency.call.view.GET.200:");
        let sent: Vec<String> = lines
            .iter()
            .filter_map(|line| Some(masked(line.strip_prefix("x.requests.")?)))
            .collect();
        assert_eq!(sent, row.sent, "{}: {}", row.what, row.url);
        let around: Vec<String> = lines
            .iter()
            .filter_map(|line| Some(masked(line.strip_prefix("x.wsgi.")?)))
            .collect();
        assert_eq!(
            around,
            ["requests.call.view.GET.200:1|c", "latency.call.view.GET.200:T|ms"],
            "{}: the request around it",
            row.what
        );
    }
}

/// Makes a request and returns the lines below `x.wsgi.` that come until its last one.
fn answered(daemon: &Daemon, front: &Process, ask: &Ask) -> Vec<String> {
    let seen = daemon.lines().len();
    let _ = ask.of(front.address());
    let lines = daemon.lines_until(seen, "x.wsgi.latency.");
    let below = lines.iter().filter_map(|line| line.strip_prefix("x.wsgi."));
    below.map(masked).collect()
}

fn requests(daemon: &Daemon, front: &Process) {
    for (ask, sent) in [
        (
            Ask::get("/status/200/my.view"),
            &["requests.my.view.GET.200:1|c", "latency.my.view.GET.200:T|ms"][..],
        ),
        (
            Ask::get("/status/404/my.view"),
            &["requests.my.view.GET.404:1|c", "latency.my.view.GET.404:T|ms"],
        ),
        (
            Ask::new("POST", "/echo").body("hello"),
            &["requests.unknown.POST.200:1|c", "latency.unknown.POST.200:T|ms"],
        ),
        // Its route is known, but nobody named the view.
        (
            Ask::get("/fast"),
            &["requests.unknown.GET.200:1|c", "latency.unknown.GET.200:T|ms"],
        ),
        (
            Ask::get("/nowhere"),
            &["requests.unknown.GET.404:1|c", "latency.unknown.GET.404:T|ms"],
        ),
        (
            // talisker takes any method for a label.
            Ask::new("PURGE", "/any/thing"),
            &[
                "requests.unknown._OTHER.200:1|c",
                "latency.unknown._OTHER.200:T|ms",
            ],
        ),
        (
            Ask::get("/status/503/my.view"),
            &[
                "requests.my.view.GET.503:1|c",
                "errors.my.view.GET.503:1|c",
                "latency.my.view.GET.503:T|ms",
            ],
        ),
        (
            Ask::get("/boom"),
            &[
                "requests.unknown.GET.500:1|c",
                "errors.unknown.GET.500:1|c",
                "latency.unknown.GET.500:T|ms",
            ],
        ),
        (
            // As there, a timeout is counted as such and not as an error.
            Ask::get("/sleep/600").field("x-request-deadline", "2001-02-03T04:05:06Z"),
            &[
                "requests.unknown.GET.504:1|c",
                "timeouts.unknown.GET:1|c",
                "latency.unknown.GET.504:T|ms",
            ],
        ),
    ] {
        assert_eq!(answered(daemon, front, &ask), sent, "{ask:?}");
    }
}

fn everything(recorder: &str) {
    let (daemon, front) = start(recorder);
    let (back, full) = (boot(&[]), Full::new());
    check(&daemon, &front, &ends(&back, &full));
    retries(&daemon, &front, &back);
    check(&daemon, &front, &names(&back));
    requests(&daemon, &front);
    assert_golden(GOLDEN, &scraped(&front), recorder);
}

/// Retries are one call: what they were answered is not seen, but for the last.
fn retries(daemon: &Daemon, front: &Process, well: &Process) {
    let busy = boot(&["--max-concurrency", "1"]);
    // Holds the only slot, so that all others are shed with 503.
    let _held = occupy(&busy);
    let both = format!("&backends={},{}&retries=1", busy.address(), well.address());
    let rows = [
        row(
            "retried, then 200",
            "http://shop/echo",
            &both,
            &["count.shop.echo.view:1|c", "latency.shop.echo.view.200:T|ms"],
        ),
        row(
            "retries used up",
            "http://shop/echo",
            &format!("&backends={}&retries=2", busy.address()),
            SHED,
        ),
    ];
    check(daemon, front, &rows);
}

/// The families of the profile, with `EAI` for the code that each resolver has its own of.
fn scraped(front: &Process) -> String {
    let answer = Ask::get("/metrics").of(front.admin());
    let text = steady(answer.text(), Format::Prometheus, front);
    let families = text
        .split("\n\n")
        .filter(|family| family.starts_with("# HELP requests_") || family.starts_with("# HELP wsgi_"));
    let text: String = families.map(|family| format!("{family}\n\n")).collect();
    let codes = text.split("EAI_").enumerate().map(|(part, rest)| match part {
        0 => rest.to_owned(),
        _ => format!("EAI{}", &rest[rest.find('"').expect("the end of a value")..]),
    });
    codes.collect()
}

#[test]
fn all_that_talisker_counts_is_sent_and_scraped() {
    everything("campanile");
}

#[test]
fn all_that_talisker_counts_is_sent_and_scraped_beside_the_prometheus_exporter() {
    everything("prometheus-exporter");
}

#[test]
fn ids_pass_through_uncomposed() {
    let (_daemon, front) = start("campanile");
    let back = boot(&[]);
    let said = call(front.address(), &format!("http://{}/echo", back.address()), "");
    assert_eq!(said["upstream_id"], "front");
    let echo: Value = serde_json::from_str(said["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(echo["request_id"], "front");
}

#[test]
fn lines_are_sent_within_a_tenth_of_a_second() {
    let (daemon, front) = start("campanile");
    for _ in 0..5 {
        let seen = daemon.lines().len();
        let _ = Ask::get("/fast").of(front.address());
        let answered = Instant::now();
        daemon.lines_until(seen, "x.wsgi.latency.unknown.GET.200:");
        let took = answered.elapsed();
        // Five times as long, for machines that have other things to do.
        assert!(took < Duration::from_millis(500), "{took:?}");
        // Not right behind the next turn of the thread that sends.
        thread::sleep(Duration::from_millis(7));
    }
}

#[test]
fn what_was_not_sent_yet_is_sent_at_the_end() {
    let (daemon, mut front) = start("campanile");
    let _ = Ask::get("/status/200/last.view").of(front.address());
    front.signal("TERM");
    assert!(front.wait().success());
    daemon.lines_until(0, "x.wsgi.requests.last.view.GET.200:1|c");
    daemon.lines_until(0, "x.wsgi.latency.last.view.GET.200:");
}

#[test]
fn statsd_exporter_wears_the_names_with_its_own_form_of_labels() {
    let (daemon, front) = start("statsd-exporter");
    let _ = Ask::get("/status/200/my.view").of(front.address());
    daemon.lines_until(0, "x.wsgi_requests_total:1|c|#view:my.view,method:GET,status:200");
    // Which it does not send by itself.
    daemon.lines_until(0, "x.http_server_open_connections:1|g");
}
