//! The program against real admin ports.

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
    client::{self, filtered, follow},
    model::{Event, Update},
};
use tokio::{sync::watch, time::timeout};

use crate::port::{ID, Port, stock};

/// Nothing takes as long: what comes later has hung.
const LONG: Duration = Duration::from_secs(30);

fn top(args: &[&str]) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_campanile-top"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    end.recv_timeout(LONG)
        .expect("it ends by itself")
        .expect("it can be read")
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is text");
    (text(&output.stdout), text(&output.stderr))
}

fn is_the_stock(output: &Output) {
    let (out, err) = said(output);
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
    assert_ne!(rate.map(str::trim), Some("–"), "two looks make a rate:\n{out}");
    assert!(
        !out.contains('\u{1b}'),
        "what comes from outside steers no terminal: {out:?}"
    );
}

#[test]
fn one_look_is_printed_over_tcp() {
    let port = Port::tcp(stock());
    is_the_stock(&top(&["--once", &port.target()]));
    is_the_stock(&top(&[&format!("http://{}/", port.target())]));
}

#[test]
fn one_look_is_printed_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("campanile-top-{}.sock", std::process::id()));
    let port = Port::unix(stock(), &path);
    is_the_stock(&top(&["--once", &format!("unix:{}", path.display())]));
    drop(port);
    // Who bound it removes it.
    let _ = std::fs::remove_file(path);
}

#[test]
fn a_port_without_metrics_is_printed_without_rates() {
    let port = Port::tcp(Admin::new().with_service_name("bare"));
    let output = top(&["--once", &port.target()]);
    let (out, err) = said(&output);
    assert!(output.status.success(), "{out}{err}");
    assert!(out.starts_with("bare, pid "), "{out}");
    assert!(out.contains("requests/s               –\n"), "{out}");
    assert!(!out.contains("requests in flight"), "{out}");
}

#[test]
fn who_does_not_answer_is_a_failure_and_said() {
    let free = TcpListener::bind("127.0.0.1:0").expect("there is one");
    let address = free.local_addr().expect("it is bound").to_string();
    drop(free);
    for (target, why) in [
        (address.as_str(), "does not answer: Connection refused"),
        ("unix:/nonexistent/admin.sock", "does not answer: No such file"),
    ] {
        let output = top(&["--once", target]);
        let (out, err) = said(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        assert_eq!(out, "");
        assert!(
            err.starts_with(&format!("campanile-top: {target} {why}")),
            "{err}"
        );
    }
}

#[test]
fn who_is_no_admin_port_is_a_failure_and_said() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is one");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it comes");
        // An answer that comes before the request is none.
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n");
        std::thread::sleep(LONG);
    });
    let output = top(&["--once", &address]);
    let (_, err) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err.contains("is no admin port of campanile: it answers with text/html"),
        "{err}"
    );
}

#[test]
fn nonsense_for_an_address_is_refused_before_anything() {
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
fn a_token_opens_a_port_that_is_asked_under_a_foreign_name() {
    // A name that the port does not know is refused whatever the token, so the address must be its own.
    let port = Port::tcp(stock().with_token("hunter2"));
    is_the_stock(&top(&["--once", "--token", "hunter2", &port.target()]));
    let output = top(&["--once", "--token", "a\nb", &port.target()]);
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn the_stream_is_attached_again_when_the_port_comes_back() {
    let first = Port::tcp(stock());
    let address = first.address.expect("it is of TCP");
    let target: Target = first.target().parse().expect("it is an address");
    let port = client::Port::new(target);
    let live = port.attach().await.expect("it answers");
    let (updates, mut told) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow(port, live, updates));

    let mut wait_for = async |what: &str, found: fn(&Update) -> bool| {
        let begun = Instant::now();
        loop {
            let update = timeout(LONG, told.recv()).await;
            let update = update
                .unwrap_or_else(|_| panic!("no {what} in time"))
                .expect("it goes on");
            if found(&update) {
                return;
            }
            assert!(begun.elapsed() < LONG, "no {what}");
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
        .expect("it ends");
    wait_for("loss", |update| matches!(update, Update::Lost(_))).await;
    let _second = Port::at(stock(), address);
    wait_for("second history", history).await;
    following.abort();
}

#[tokio::test]
async fn the_port_is_asked_for_what_the_filter_finds() {
    let admin = Port::tcp(stock());
    let port = client::Port::new(admin.target().parse().expect("it is an address"));
    let (updates, mut told) = tokio::sync::mpsc::channel(16);
    let (filter, wanted) = watch::channel(String::new());
    let asking = tokio::spawn(filtered(port, wanted, updates));
    for (part, total) in [("52a4", 1), ("b&", 0), ("b", 2)] {
        filter.send_replace(part.to_owned());
        loop {
            let update = timeout(LONG, told.recv())
                .await
                .expect("it is asked")
                .expect("it goes on");
            let Update::Found(found, requests) = update else {
                panic!("nothing else comes: {update:?}");
            };
            // The answer to the filter before may have been on its way.
            if found == part {
                assert_eq!(requests.total, total, "{part}");
                break;
            }
        }
    }
    asking.abort();
}

#[test]
fn a_terminal_is_given_back_as_it_was() {
    let port = Port::tcp(stock());
    let program = format!(
        "stty cols 80 rows 24; exec {} {}",
        env!("CARGO_BIN_EXE_campanile-top"),
        port.target()
    );
    // script(1) of util-linux has a terminal for it.
    let script = Command::new("script")
        .args(["--quiet", "--return", "--command", &program, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut script) = script else {
        eprintln!("skipped: there is no script(1) here");
        return;
    };
    let mut keys = script.stdin.take().expect("it is piped");
    let mut out = script.stdout.take().expect("it is piped");
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
            .recv_timeout(LONG)
            .unwrap_or_else(|_| panic!("it is drawn; seen {text:?}"));
    }
    assert!(
        text.contains("\u{1b}[?1049h"),
        "it is drawn beside what was there: {text:?}"
    );
    keys.write_all(b"q").expect("it is read");
    while let Ok(more) = end.recv_timeout(LONG) {
        text = more;
    }
    assert!(script.wait().expect("it ends").success(), "{text:?}");
    for (what, bytes) in [("what was there", "\u{1b}[?1049l"), ("the cursor", "\u{1b}[?25h")] {
        assert!(text.contains(bytes), "{what} is shown again: {text:?}");
    }
}
