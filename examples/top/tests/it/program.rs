//! The program and its client with real admin ports.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use campanile_admin::Admin;
use campanile_top::{
    Target,
    client::{self, follow, poll_filtered},
    model::{Event, Update},
};
use tokio::{sync::watch, time::timeout};

use crate::admin_port::{AdminPort, ID, stock};

/// Longer than anything takes.
const TIMEOUT: Duration = Duration::from_secs(30);

fn top(args: &[&str]) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_campanile-top"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    end.recv_timeout(TIMEOUT)
        .expect("exited in time")
        .expect("output is read")
}

fn output_text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

fn assert_is_stock(output: &Output) {
    let (out, err) = output_text(output);
    assert!(output.status.success(), "{out}{err}");
    for part in [
        "stock 1.4.2, pid ",
        ", draining, 12 s left, at ",
        "in flight                2 of 100",
        "connections              7 of 1000",
        "status 200 ",
        "queue 127.0.0.1:8080     3 of 128 waiting, 1 overflows",
        "calls db.example ",
        "requests in flight       2",
        &format!("12.0 s  {ID} GET /stock/{{id}} calling db.example"),
    ] {
        assert!(out.contains(part), "no {part:?} in\n{out}");
    }
    let rate = out.lines().find_map(|line| line.strip_prefix("requests/s"));
    assert_ne!(rate.map(str::trim), Some("–"), "no rate:\n{out}");
    assert!(
        !out.contains('\u{1b}'),
        "control characters in the output: {out:?}"
    );
}

#[test]
fn snapshot_is_printed_over_tcp() {
    let port = AdminPort::tcp(stock());
    assert_is_stock(&top(&["--once", &port.target()]));
    assert_is_stock(&top(&[&format!("http://{}/", port.target())]));
}

#[test]
fn snapshot_is_printed_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("campanile-top-{}.sock", std::process::id()));
    let port = AdminPort::unix(stock(), &path);
    assert_is_stock(&top(&["--once", &format!("unix:{}", path.display())]));
    drop(port);
    // The test bound the socket, so it removes the file.
    let _ = std::fs::remove_file(path);
}

#[test]
fn snapshot_without_metrics_has_no_rates() {
    let port = AdminPort::tcp(Admin::new().with_service_name("bare"));
    let output = top(&["--once", &port.target()]);
    let (out, err) = output_text(&output);
    assert!(output.status.success(), "{out}{err}");
    assert!(out.starts_with("bare, pid "), "{out}");
    assert!(out.contains("requests/s               –\n"), "{out}");
    assert!(!out.contains("requests in flight"), "{out}");
}

#[test]
fn connection_error_is_reported() {
    let free = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = free.local_addr().expect("bound").to_string();
    drop(free);
    for (target, error) in [
        (address.as_str(), "cannot connect: Connection refused"),
        ("unix:/nonexistent/admin.sock", "cannot connect: No such file"),
    ] {
        let output = top(&["--once", target]);
        let (out, err) = output_text(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        assert_eq!(out, "");
        assert!(
            err.starts_with(&format!("campanile-top: {target}: {error}")),
            "{err}"
        );
    }
}

#[test]
fn other_server_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepted");
        // A response before the request would be an HTTP error.
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n");
        std::thread::sleep(TIMEOUT);
    });
    let output = top(&["--once", &address]);
    let (_, err) = output_text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err.contains("not a campanile admin port: content type text/html"),
        "{err}"
    );
}

#[test]
fn invalid_addresses_are_usage_errors() {
    for target in [
        "nonsense",
        "https://localhost:6060",
        "unix:",
        "127.0.0.1:99999",
        "a@b:1",
        ":6060",
    ] {
        assert_eq!(top(&["--once", target]).status.code(), Some(2), "{target}");
    }
}

#[test]
fn token_is_sent() {
    // A local client has access without the token: this only checks that a valid one is accepted.
    let port = AdminPort::tcp(stock().with_token("hunter2"));
    assert_is_stock(&top(&["--once", "--token", "hunter2", &port.target()]));
    let output = top(&["--once", "--token", "a\nb", &port.target()]);
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn stream_reconnects_when_the_port_is_back() {
    let first = AdminPort::tcp(stock());
    let address = first.address.expect("TCP address");
    let target: Target = first.target().parse().expect("valid address");
    let port = client::AdminClient::new(target);
    let live = port.connect().await.expect("connected");
    let (updates, mut received) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow(port, live, updates));

    let mut wait_for = async |what: &str, found: fn(&Update) -> bool| {
        let start = Instant::now();
        loop {
            let update = timeout(TIMEOUT, received.recv()).await;
            let update = update
                .unwrap_or_else(|_| panic!("no {what} in time"))
                .expect("channel is open");
            if found(&update) {
                return;
            }
            assert!(start.elapsed() < TIMEOUT, "no {what}");
        }
    };
    let history = |update: &Update| matches!(update, Update::Event(Event::History(_)));
    wait_for("history", history).await;
    wait_for("requests", |update| {
        matches!(update, Update::Event(Event::Requests(_)))
    })
    .await;
    tokio::task::spawn_blocking(move || drop(first))
        .await
        .expect("exited");
    wait_for("loss", |update| matches!(update, Update::Lost(_))).await;
    let _second = AdminPort::at(stock(), address);
    wait_for("second history", history).await;
    following.abort();
}

#[tokio::test]
async fn requests_of_the_filter_are_fetched() {
    let admin = AdminPort::tcp(stock());
    let port = client::AdminClient::new(admin.target().parse().expect("valid address"));
    let (updates, mut received) = tokio::sync::mpsc::channel(16);
    let (filter, filter_changes) = watch::channel(String::new());
    let polling = tokio::spawn(poll_filtered(port, filter_changes, updates));
    for (part, total) in [("52a4", 1), ("b&", 0), ("b", 2)] {
        filter.send_replace(part.to_owned());
        loop {
            let update = timeout(TIMEOUT, received.recv())
                .await
                .expect("in time")
                .expect("channel is open");
            let Update::Filtered(found, requests) = update else {
                panic!("unexpected {update:?}");
            };
            // A response to the previous filter may still arrive.
            if found == part {
                assert_eq!(requests.total, total, "{part}");
                break;
            }
        }
    }
    polling.abort();
}

#[test]
fn terminal_is_restored() {
    let port = AdminPort::tcp(stock());
    let program = format!(
        "stty cols 80 rows 24; exec {} {}",
        env!("CARGO_BIN_EXE_campanile-top"),
        port.target()
    );
    // script(1) of util-linux provides a terminal.
    let script = Command::new("script")
        .args(["--quiet", "--return", "--command", &program, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut script) = script else {
        eprintln!("skipped: script(1) is not installed");
        return;
    };
    let mut keys = script.stdin.take().expect("piped");
    let mut out = script.stdout.take().expect("piped");
    let (seen, end) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = out.read(&mut buffer) {
            text.extend_from_slice(&buffer[..length]);
            let _ = seen.send(String::from_utf8_lossy(&text).into_owned());
        }
    });
    let mut text = String::new();
    while !text.contains("scroll") || !text.contains("12 s left") {
        text = end
            .recv_timeout(TIMEOUT)
            .unwrap_or_else(|_| panic!("not drawn: {text:?}"));
    }
    assert!(text.contains("\u{1b}[?1049h"), "no alternate screen: {text:?}");
    keys.write_all(b"q").expect("written");
    while let Ok(more) = end.recv_timeout(TIMEOUT) {
        text = more;
    }
    assert!(script.wait().expect("exited").success(), "{text:?}");
    for (what, bytes) in [
        ("the main screen", "\u{1b}[?1049l"),
        ("the cursor", "\u{1b}[?25h"),
    ] {
        assert!(text.contains(bytes), "{what} is not restored: {text:?}");
    }
}
