//! Clients that hold connections without need.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use campanile_admin::{Admin, Exposition};

use crate::support::{Port, get, read_until};

/// Reads until the other side closes, or this long.
fn is_closed_within(stream: &mut TcpStream, patience: Duration) -> bool {
    let begun = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a limit");
    while begun.elapsed() < patience {
        match stream.read(&mut [0; 65536]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
    }
    false
}

#[test]
fn a_thousand_idle_connections_keep_nobody_out() {
    let port = Port::start(Admin::new());
    let mut used = port.connect();
    used.write_all(get("/livez", "").as_bytes()).unwrap();
    read_until(&mut used, "ok\n");
    let idle: Vec<TcpStream> = (0..1000).map(|_| port.connect()).collect();
    let asked = Instant::now();
    for _ in 0..10 {
        assert!(port.get("/livez").starts_with("HTTP/1.1 200"));
    }
    // Before any of them is closed for its idleness.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(idle);
}

#[test]
fn pages_and_answers_outlive_idle_connections() {
    let port = Port::start(Admin::new());
    let mut page = port.connect();
    page.write_all(get("/live", "").as_bytes()).unwrap();
    read_until(&mut page, "event: history");
    let idle: Vec<TcpStream> = (0..1000).map(|_| port.connect()).collect();
    assert!(port.get("/livez").starts_with("HTTP/1.1 200"));
    for _ in 0..2 {
        read_until(&mut page, "event: sample");
    }
    drop(idle);
}

#[test]
fn a_head_that_comes_a_byte_at_a_time_is_not_waited_for() {
    let port = Port::start(Admin::new());
    let mut slow = port.connect();
    let mut idle = port.connect();
    let mut kept = port.connect();
    kept.write_all(get("/livez", "").as_bytes()).unwrap();
    read_until(&mut kept, "ok\n");
    let begun = Instant::now();
    // Two thirds of the time, so that each byte could have begun it anew.
    while begun.elapsed() < Duration::from_secs(7) {
        let _ = slow.write_all(b"G");
        std::thread::sleep(Duration::from_millis(100));
    }
    for (name, stream) in [("slow", &mut slow), ("idle", &mut idle), ("kept", &mut kept)] {
        assert!(is_closed_within(stream, Duration::from_secs(8)), "{name} is open");
    }
    assert!(begun.elapsed() < Duration::from_secs(16), "{:?}", begun.elapsed());
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let port = Port::start(Admin::new().with_log_level(|| "info".to_owned(), |_| Ok(())));
    let begun = Instant::now();
    let answer = port.exchange(b"PUT /log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nin");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn who_never_reads_is_dropped() {
    let endless = || Exposition::chunks("text/plain", std::iter::repeat_with(|| "up 1\n".repeat(10_000)));
    let port = Port::start(
        Admin::new()
            .with_live(String::new)
            .with_metrics(move |_: &str| endless()),
    );
    let mut stream = port.connect();
    stream.write_all(get("/metrics", "").as_bytes()).unwrap();
    // Nothing is read until the other side has lost its patience: what the kernel holds then ends without an end.
    std::thread::sleep(Duration::from_secs(12));
    assert!(
        is_closed_within(&mut stream, Duration::from_secs(5)),
        "it is still sent"
    );
}
