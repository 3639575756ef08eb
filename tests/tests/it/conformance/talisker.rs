//! `--profile talisker`: the lines that it sends to statsd, and the metrics that are scraped.
//!
//! Each case has the lines that talisker sends. Comments name the intended differences.

use std::{
    thread,
    time::{Duration, Instant},
};

use campanile_recorder::Format;
use campanile_tests::{
    client::{TestRequest, metrics_text},
    process::Process,
};
use serde_json::Value;

use super::{
    broken_upstreams::{FullQueue, redirecting, resetting, responding_with, silent},
    call::call,
    hold_request,
    normalize::{assert_golden, normalize},
    refused_address, start_service,
    statsd_daemon::{StatsdDaemon, masked},
};

/// The scraped metrics after all cases, for each recorder.
const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/conformance/talisker.golden"
);

/// An outgoing call.
struct CallCase {
    name: &'static str,
    url: String,
    query: String,
    /// The lines after `x.requests.`, in order.
    lines: &'static [&'static str],
}

fn call_case(
    name: &'static str,
    url: impl Into<String>,
    query: &str,
    lines: &'static [&'static str],
) -> CallCase {
    CallCase {
        name,
        url: url.into(),
        query: query.to_owned(),
        lines,
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
/// talisker sends no line for timeouts, although its documentation mentions one.
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

/// The results of calls.
fn results(back: &Process, full: &FullQueue) -> Vec<CallCase> {
    let at = |path: &str| format!("http://{}{path}", back.address());
    vec![
        call_case(
            "2xx",
            at("/echo"),
            "",
            &[
                "count.127-0-0-1.echo.view:1|c",
                "latency.127-0-0-1.echo.view.200:T|ms",
            ],
        ),
        call_case(
            "4xx is not an error",
            at("/status/404/gone.view"),
            "",
            &[
                "count.127-0-0-1.gone.view:1|c",
                "latency.127-0-0-1.gone.view.404:T|ms",
            ],
        ),
        call_case(
            "500",
            at("/status/500/bad.view"),
            "",
            &[
                "count.127-0-0-1.bad.view:1|c",
                "latency.127-0-0-1.bad.view.500:T|ms",
                "errors.127-0-0-1.http.bad.view.500:1|c",
            ],
        ),
        call_case(
            "599",
            at("/status/599/bad.view"),
            "",
            &[
                "count.127-0-0-1.bad.view:1|c",
                "latency.127-0-0-1.bad.view.599:T|ms",
                "errors.127-0-0-1.http.bad.view.599:1|c",
            ],
        ),
        call_case("refused", format!("http://{}/", refused_address()), "", REFUSED),
        call_case(
            "reset by the peer",
            format!("http://{}/", resetting()),
            "",
            &[
                "count.127-0-0-1.unknown:1|c",
                "errors.127-0-0-1.connection.unknown.ECONNRESET:1|c",
            ],
        ),
        call_case(
            "name not found",
            "http://nowhere.invalid/",
            "",
            &[
                "count.nowhere-invalid.unknown:1|c",
                "errors.nowhere-invalid.connection.unknown.EAI:1|c",
            ],
        ),
        call_case(
            "read timeout",
            format!("http://{}/", silent()),
            "&timeout=0.2",
            TIMED_OUT,
        ),
        call_case(
            "connect timeout, by the call's own",
            format!("http://{}/", full.address),
            "&timeout=0.2",
            TIMED_OUT,
        ),
        call_case(
            "connect timeout, by the connector's",
            format!("http://{}/", full.address),
            "",
            TIMED_OUT,
        ),
        call_case(
            "closed without a response",
            format!("http://{}/", responding_with("")),
            "",
            UNKNOWN,
        ),
        call_case(
            "malformed status line",
            format!("http://{}/", responding_with("not a status line\r\n\r\n")),
            "",
            UNKNOWN,
        ),
        call_case(
            // talisker records it twice, the second time without its view.
            "incomplete body",
            format!(
                "http://{}/",
                responding_with("HTTP/1.1 200 OK\r\nX-View-Name: short.view\r\nContent-Length: 9\r\n\r\nok")
            ),
            "",
            &[
                "count.127-0-0-1.short.view:1|c",
                "latency.127-0-0-1.short.view.200:T|ms",
                "errors.127-0-0-1.connection.short.view.unknown:1|c",
            ],
        ),
        call_case("unsupported scheme", "gopher://127.0.0.1:70/", "", UNKNOWN),
        call_case("malformed URL", "nonsense://:::", "", &[]),
        call_case("deadline passed", at("/fast"), "&timeout=0", TIMED_OUT),
        call_case(
            "redirect, each hop with its own view",
            format!("http://{}/start", redirecting(&at("/echo"))),
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

/// The names of hosts and views.
fn names(back: &Process) -> Vec<CallCase> {
    let at = |path: &str| format!("http://{}{path}", back.address());
    let long = format!("/status/200/{}", "v".repeat(65));
    let port = back.address().rsplit_once(':').expect("a port").1;
    vec![
        call_case("no view", at("/fast"), "", UNNAMED),
        call_case(
            "api and hostname given",
            at("/echo"),
            "&api=get-item&hostname=Stock.Lon:8080",
            &[
                "count.stock-lon.get-item:1|c",
                "latency.stock-lon.get-item.200:T|ms",
            ],
        ),
        call_case(
            // talisker uses the empty names and sends `requests.count..`.
            "api and hostname empty",
            at("/echo"),
            "&api=&hostname=",
            &[
                "count.127-0-0-1.echo.view:1|c",
                "latency.127-0-0-1.echo.view.200:T|ms",
            ],
        ),
        call_case(
            "host in capitals, with port",
            format!("http://LocalHost:{port}/fast"),
            "",
            &[
                "count.localhost.unknown:1|c",
                "latency.localhost.unknown.200:T|ms",
            ],
        ),
        call_case(
            // talisker keeps the colons, which no daemon can parse.
            "IPv6 literal",
            "http://[::1]:1/",
            "",
            &[
                "count.--1.unknown:1|c",
                "errors.--1.connection.unknown.ECONNREFUSED:1|c",
            ],
        ),
        call_case(
            // talisker sends it unescaped, which breaks the line.
            "view with special characters",
            at("/status/200/a:b.c"),
            "",
            &["count.127-0-0-1.a-b.c:1|c", "latency.127-0-0-1.a-b.c.200:T|ms"],
        ),
        // talisker accepts any view; campanile ignores invalid ones.
        call_case("invalid view", at("/status/200/a%7Cb%23c"), "", UNNAMED),
        call_case("long view", at(&long), "", UNNAMED),
        call_case(
            // Last, because the name is kept for further calls.
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

fn start(recorder: &str) -> (StatsdDaemon, Process) {
    let daemon = StatsdDaemon::listen();
    let flags = [
        "--profile",
        "talisker",
        "--recorder",
        recorder,
        "--statsd",
        daemon.address(),
        "--statsd-prefix",
        "x",
        "--drain",
        "0",
    ];
    let service = start_service(&flags);
    (daemon, service)
}

/// Makes each call, and compares the lines that are sent until the surrounding request has ended.
fn check(daemon: &StatsdDaemon, front: &Process, cases: &[CallCase]) {
    for case in cases {
        let seen = daemon.lines().len();
        call(front.address(), &case.url, &case.query);
        let lines = daemon.lines_until(seen, "x.wsgi.latency.call.view.GET.200:");
        let sent: Vec<String> = lines
            .iter()
            .filter_map(|line| Some(masked(line.strip_prefix("x.requests.")?)))
            .collect();
        assert_eq!(sent, case.lines, "{}: {}", case.name, case.url);
        let around: Vec<String> = lines
            .iter()
            .filter_map(|line| Some(masked(line.strip_prefix("x.wsgi.")?)))
            .collect();
        assert_eq!(
            around,
            ["requests.call.view.GET.200:1|c", "latency.call.view.GET.200:T|ms"],
            "{}: the surrounding request",
            case.name
        );
    }
}

/// Makes a request and returns the lines after `x.wsgi.` up to its last one.
fn lines_of_request(daemon: &StatsdDaemon, front: &Process, request: &TestRequest) -> Vec<String> {
    let seen = daemon.lines().len();
    let _ = request.send(front.address());
    let lines = daemon.lines_until(seen, "x.wsgi.latency.");
    let below = lines.iter().filter_map(|line| line.strip_prefix("x.wsgi."));
    below.map(masked).collect()
}

fn requests(daemon: &StatsdDaemon, front: &Process) {
    for (request, sent) in [
        (
            TestRequest::get("/status/200/my.view"),
            &["requests.my.view.GET.200:1|c", "latency.my.view.GET.200:T|ms"][..],
        ),
        (
            TestRequest::get("/status/404/my.view"),
            &["requests.my.view.GET.404:1|c", "latency.my.view.GET.404:T|ms"],
        ),
        (
            TestRequest::new("POST", "/echo").body("hello"),
            &["requests.unknown.POST.200:1|c", "latency.unknown.POST.200:T|ms"],
        ),
        // The route is known, but the view has no name.
        (
            TestRequest::get("/fast"),
            &["requests.unknown.GET.200:1|c", "latency.unknown.GET.200:T|ms"],
        ),
        (
            TestRequest::get("/nowhere"),
            &["requests.unknown.GET.404:1|c", "latency.unknown.GET.404:T|ms"],
        ),
        (
            // talisker uses any method as a label.
            TestRequest::new("PURGE", "/any/thing"),
            &[
                "requests.unknown._OTHER.200:1|c",
                "latency.unknown._OTHER.200:T|ms",
            ],
        ),
        (
            TestRequest::get("/status/503/my.view"),
            &[
                "requests.my.view.GET.503:1|c",
                "errors.my.view.GET.503:1|c",
                "latency.my.view.GET.503:T|ms",
            ],
        ),
        (
            TestRequest::get("/boom"),
            &[
                "requests.unknown.GET.500:1|c",
                "errors.unknown.GET.500:1|c",
                "latency.unknown.GET.500:T|ms",
            ],
        ),
        (
            // As in talisker, a timeout is not an error.
            TestRequest::get("/sleep/600").header("x-request-deadline", "2001-02-03T04:05:06Z"),
            &[
                "requests.unknown.GET.504:1|c",
                "timeouts.unknown.GET:1|c",
                "latency.unknown.GET.504:T|ms",
            ],
        ),
    ] {
        assert_eq!(lines_of_request(daemon, front, &request), sent, "{request:?}");
    }
}

fn everything(recorder: &str) {
    let (daemon, front) = start(recorder);
    let (back, full) = (start_service(&[]), FullQueue::new());
    check(&daemon, &front, &results(&back, &full));
    retries(&daemon, &front, &back);
    check(&daemon, &front, &names(&back));
    requests(&daemon, &front);
    assert_golden(GOLDEN, &scraped(&front), recorder);
}

/// Retries are one call, recorded with the last response.
fn retries(daemon: &StatsdDaemon, front: &Process, healthy: &Process) {
    let busy = start_service(&["--max-concurrency", "1"]);
    // Holds the only permit, so that all other requests are shed with 503.
    let _held = hold_request(&busy);
    let both = format!("&backends={},{}&retries=1", busy.address(), healthy.address());
    let cases = [
        call_case(
            "retried, then 200",
            "http://shop/echo",
            &both,
            &["count.shop.echo.view:1|c", "latency.shop.echo.view.200:T|ms"],
        ),
        call_case(
            "retries exhausted",
            "http://shop/echo",
            &format!("&backends={}&retries=2", busy.address()),
            SHED,
        ),
    ];
    check(daemon, front, &cases);
}

/// Returns the families of the profile, with the resolver-specific error codes replaced by `EAI`.
fn scraped(front: &Process) -> String {
    let text = normalize(&metrics_text(front.admin()), Format::Prometheus, front);
    let families = text
        .split("\n\n")
        .filter(|family| family.starts_with("# HELP requests_") || family.starts_with("# HELP wsgi_"));
    let text: String = families.map(|family| format!("{family}\n\n")).collect();
    let codes = text.split("EAI_").enumerate().map(|(part, rest)| match part {
        0 => rest.to_owned(),
        _ => format!("EAI{}", &rest[rest.find('"').expect("a closing quote")..]),
    });
    codes.collect()
}

#[test]
fn metrics_of_talisker_are_sent_and_scraped() {
    everything("campanile");
}

#[test]
fn metrics_of_talisker_are_sent_and_scraped_with_the_prometheus_exporter() {
    everything("prometheus-exporter");
}

#[test]
fn request_ids_are_forwarded_unchanged() {
    let (_daemon, front) = start("campanile");
    let back = start_service(&[]);
    let report = call(front.address(), &format!("http://{}/echo", back.address()), "");
    assert_eq!(report["upstream_id"], "front");
    let echo: Value = serde_json::from_str(report["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(echo["request_id"], "front");
}

#[test]
fn lines_are_sent_within_a_tenth_of_a_second() {
    let (daemon, front) = start("campanile");
    for _ in 0..5 {
        let seen = daemon.lines().len();
        let _ = TestRequest::get("/fast").send(front.address());
        let completed = Instant::now();
        daemon.lines_until(seen, "x.wsgi.latency.unknown.GET.200:");
        let took = completed.elapsed();
        // Five times the bound, for busy machines.
        assert!(took < Duration::from_millis(500), "{took:?}");
        // Varies the offset to the interval of the sending thread.
        thread::sleep(Duration::from_millis(7));
    }
}

#[test]
fn buffered_lines_are_sent_at_shutdown() {
    let (daemon, mut front) = start("campanile");
    let _ = TestRequest::get("/status/200/last.view").send(front.address());
    front.signal("TERM");
    assert!(front.wait().success());
    daemon.lines_until(0, "x.wsgi.requests.last.view.GET.200:1|c");
    daemon.lines_until(0, "x.wsgi.latency.last.view.GET.200:");
}

#[test]
fn statsd_exporter_uses_the_names_with_its_own_label_format() {
    let (daemon, front) = start("statsd-exporter");
    let _ = TestRequest::get("/status/200/my.view").send(front.address());
    daemon.lines_until(0, "x.wsgi_requests_total:1|c|#view:my.view,method:GET,status:200");
    // The exporter alone does not send this gauge.
    daemon.lines_until(0, "x.http_server_open_connections:1|g");
}
