//! `--profile baseplate`: its scraped HTTP metrics, and the gauges that its runtime monitors send.

use std::time::{SystemTime, UNIX_EPOCH};

use campanile_recorder::Format;
use campanile_tests::{
    client::{TestRequest, metrics_text},
    process::{Process, wait_until},
};

use super::{
    broken_upstreams::responding_with,
    call::call,
    normalize::{assert_golden, normalize},
    refused_address, start_service,
    statsd_daemon::StatsdDaemon,
};

/// The scraped metrics of each recorder.
///
/// Differences to baseplate.py: sizes include streamed bodies; a call with a status of 400 or more has a code and is no
/// success, where baseplate.py leaves both empty; a request that panics has the status of its response.
const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/conformance/baseplate.golden"
);

fn traffic(front: &Process, back: &Process) {
    let to = front.address();
    let at = |path: &str| format!("http://{}{path}", back.address());
    // Matched, unmatched, created, redirected, client and server error, panic, streamed, empty.
    for path in [
        "/fast",
        "/nowhere",
        "/status/201",
        "/status/302",
        "/status/404/x",
        "/status/503",
        "/boom",
        "/stream?n=1",
        "/status/204",
    ] {
        let _ = TestRequest::get(path).send(to);
    }
    let _ = TestRequest::new("POST", "/echo").body("hello").send(to);
    let _ = TestRequest::get("/sleep/600")
        .header("x-request-deadline", "2001-02-03T04:05:06Z")
        .send(to);
    call(to, &at("/fast"), "");
    call(to, &at("/echo"), "&method=POST&body=x&hostname=stock");
    call(to, &at("/status/404"), "");
    call(to, &at("/status/503"), "");
    call(to, &at("/fast"), "&timeout=0");
    call(to, &format!("http://{}/", refused_address()), "");
    let short = responding_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
    call(to, &format!("http://{short}/"), "&hostname=short");
}

/// Returns the families of the profile once no request is in flight.
fn scraped(front: &Process) -> String {
    let scrape = || normalize(&metrics_text(front.admin()), Format::Prometheus, front);
    let idle = |text: &str| {
        let mut gauges = text
            .lines()
            .filter(|line| line.starts_with("http_server_active_requests{"));
        gauges.all(|line| line.ends_with(" 0"))
    };
    let mut text = scrape();
    wait_until(
        || {
            text = scrape();
            idle(&text)
        },
        || "a request is still active".to_owned(),
    );
    let mine = |family: &&str| {
        family.lines().any(|line| {
            !line.starts_with('#')
                && (line.contains("{http_client_name=") || line.contains("{http_endpoint="))
        })
    };
    text.split("\n\n")
        .filter(mine)
        .map(|family| format!("{family}\n\n"))
        .collect()
}

#[test]
fn http_metrics_are_scraped_under_the_names_of_baseplate() {
    for recorder in ["campanile", "prometheus-exporter"] {
        let (front, back) = (
            start_service(&["--profile", "baseplate", "--recorder", recorder]),
            start_service(&[]),
        );
        traffic(&front, &back);
        assert_golden(GOLDEN, &scraped(&front), recorder);
    }
}

#[test]
fn monitor_gauges_are_sent_at_multiples_of_ten_seconds() {
    let daemon = StatsdDaemon::listen();
    let flags = [
        "--profile",
        "baseplate",
        "--statsd",
        daemon.address(),
        "--statsd-prefix",
        "shop",
        "--drain",
        "0",
    ];
    let (mut front, back) = (start_service(&flags), start_service(&[]));
    call(front.address(), &format!("http://{}/fast", back.address()), "");
    let sent = daemon.lines_until(0, "shop.runtime.active_requests,");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    // The sending thread and the test may be late.
    assert!(now.as_secs() % 10 < 3, "{now:?}: {sent:?}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    let (pid, host) = (front.id(), host.trim());
    // The values depend on whether the idle connection is closed already.
    let names: Vec<&str> = sent
        .iter()
        .map(|line| line.split_once(':').expect("a value").0)
        .collect();
    assert_eq!(
        names,
        [
            format!("shop.runtime.active_requests,PID={pid},hostname={host}"),
            format!("shop.runtime.open_connections,PID={pid},hostname={host}"),
            format!("shop.runtime.pool.in_use,PID={pid},client=127.0.0.1,hostname={host}"),
            format!("shop.runtime.pool.open_connections,PID={pid},client=127.0.0.1,hostname={host}"),
        ]
    );
    assert!(sent.iter().all(|line| line.ends_with("|g")), "{sent:?}");
    assert!(sent[0].ends_with(":0|g"), "{sent:?}");
    // A shutdown sends the gauges again.
    let seen = sent.len();
    front.signal("TERM");
    assert!(front.wait().success());
    daemon.lines_until(seen, "shop.runtime.active_requests,");
}
