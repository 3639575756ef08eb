//! `--profile baseplate`: its HTTP metrics as they are scraped, and the gauges of its runtime monitors as they are sent.

use std::time::{SystemTime, UNIX_EPOCH};

use campanile_recorder::Format;
use campanile_tests::{
    process::{Process, wait_until},
    wire::Ask,
};

use super::{
    boot,
    call::call,
    daemon::Daemon,
    nobody,
    steady::{assert_golden, steady},
    upstreams::says,
};

/// What is scraped, whatever the recorder.
///
/// Other than baseplate.py's: sizes are those of all bodies, streamed ones too; a call answered with 400 or more has a
/// code and is no success, where baseplate.py leaves both empty; a request that panics has the code that its client saw.
const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/conformance/baseplate.golden"
);

fn traffic(front: &Process, back: &Process) {
    let to = front.address();
    let at = |path: &str| format!("http://{}{path}", back.address());
    // Found by pattern, not found, created, redirected, bad, broken, streamed, empty, out of time.
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
        let _ = Ask::get(path).of(to);
    }
    let _ = Ask::new("POST", "/echo").body("hello").of(to);
    let _ = Ask::get("/sleep/600")
        .field("x-request-deadline", "2001-02-03T04:05:06Z")
        .of(to);
    call(to, &at("/fast"), "");
    call(to, &at("/echo"), "&method=POST&body=x&hostname=stock");
    call(to, &at("/status/404"), "");
    call(to, &at("/status/503"), "");
    call(to, &at("/fast"), "&timeout=0");
    call(to, &format!("http://{}/", nobody()), "");
    let short = says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
    call(to, &format!("http://{short}/"), "&hostname=short");
}

/// The families of the profile, once nothing is in flight: the gauge falls last.
fn scraped(front: &Process) -> String {
    let scrape = || {
        steady(
            Ask::get("/metrics").of(front.admin()).text(),
            Format::Prometheus,
            front,
        )
    };
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
        || "a request goes on".to_owned(),
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
fn http_metrics_are_scraped_under_baseplates_names() {
    for recorder in ["campanile", "prometheus-exporter"] {
        let (front, back) = (
            boot(&["--profile", "baseplate", "--recorder", recorder]),
            boot(&[]),
        );
        traffic(&front, &back);
        assert_golden(GOLDEN, &scraped(&front), recorder);
    }
}

#[test]
fn gauges_of_the_monitors_are_sent_at_tens_of_seconds() {
    let daemon = Daemon::listen();
    let flags = [
        "--profile",
        "baseplate",
        "--statsd",
        daemon.address(),
        "--statsd-prefix",
        "shop",
    ];
    let (mut front, back) = (boot(&flags), boot(&[]));
    call(front.address(), &format!("http://{}/fast", back.address()), "");
    let sent = daemon.lines_until(0, "shop.runtime.active_requests,");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    // By a thread that had to be woken, and a test that looks now and then.
    assert!(now.as_secs() % 10 < 3, "{now:?}: {sent:?}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    let (pid, host) = (front.id(), host.trim());
    // The pool's connection is idle, and may be closed: what counts is that there is a line.
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
    // A stop sends the state once more.
    let seen = sent.len();
    front.signal("TERM");
    assert!(front.wait().success());
    daemon.lines_until(seen, "shop.runtime.active_requests,");
}
