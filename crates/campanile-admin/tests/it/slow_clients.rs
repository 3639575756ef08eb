//! Slow and idle clients.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use campanile_admin::{Admin, Exposition};

use crate::support::{Port, get, read_until};

/// Returns whether the server closes the connection within `timeout`.
fn is_closed_within(stream: &mut TcpStream, timeout: Duration) -> bool {
    let start = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("timeout is not zero");
    while start.elapsed() < timeout {
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
fn idle_connections_do_not_block_others() {
    let port = Port::start(Admin::new());
    let mut used = port.connect();
    used.write_all(get("/livez", "").as_bytes()).unwrap();
    read_until(&mut used, "ok\n");
    let idle: Vec<TcpStream> = (0..1000).map(|_| port.connect()).collect();
    let start = Instant::now();
    for _ in 0..10 {
        assert!(port.get("/livez").starts_with("HTTP/1.1 200"));
    }
    // Before any of them times out.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(idle);
}

#[test]
fn active_connections_are_not_evicted() {
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
fn slow_request_head_times_out() {
    let port = Port::start(Admin::new());
    let mut slow = port.connect();
    let mut idle = port.connect();
    let mut kept = port.connect();
    kept.write_all(get("/livez", "").as_bytes()).unwrap();
    read_until(&mut kept, "ok\n");
    let start = Instant::now();
    // Below the timeout: a byte must not restart it.
    while start.elapsed() < Duration::from_secs(7) {
        let _ = slow.write_all(b"G");
        std::thread::sleep(Duration::from_millis(100));
    }
    for (name, stream) in [("slow", &mut slow), ("idle", &mut idle), ("kept", &mut kept)] {
        assert!(is_closed_within(stream, Duration::from_secs(8)), "{name} is open");
    }
    assert!(start.elapsed() < Duration::from_secs(16), "{:?}", start.elapsed());
}

#[test]
fn slow_request_body_times_out() {
    let port = Port::start(Admin::new().with_log_level(|| "info".to_owned(), |_| Ok(())));
    let start = Instant::now();
    let response =
        port.exchange(b"PUT /log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nin");
    assert!(response.starts_with("HTTP/1.1 408"), "{response}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn client_that_does_not_read_is_dropped() {
    let endless =
        || Exposition::from_chunks("text/plain", std::iter::repeat_with(|| "up 1\n".repeat(10_000)));
    let port = Port::start(
        Admin::new()
            .with_live_metrics(String::new)
            .with_metrics(move |_: &str| endless()),
    );
    let mut stream = port.connect();
    stream.write_all(get("/metrics", "").as_bytes()).unwrap();
    // Longer than the write timeout. What the kernel has buffered is still readable.
    std::thread::sleep(Duration::from_secs(12));
    assert!(
        is_closed_within(&mut stream, Duration::from_secs(5)),
        "connection is open"
    );
}

#[test]
fn slow_readers_of_metrics_keep_out_neither_probes_nor_later_scrapes() {
    let text = "up 1\n".repeat(2_000_000);
    let admin = Admin::new().with_live_metrics(String::new);
    let port = Port::start(admin.with_metrics(move |_: &str| text.clone()));
    let mut slow: Vec<TcpStream> = (0..100).map(|_| port.connect()).collect();
    for stream in &mut slow {
        stream.write_all(get("/metrics", "").as_bytes()).unwrap();
    }
    let refused = slow
        .iter_mut()
        .map(|stream| {
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).unwrap();
            begin
        })
        .filter(|begin| begin == b"HTTP/1.1 503")
        .count();
    assert_eq!(refused, 92);
    assert!(port.get("/livez").starts_with("HTTP/1.1 200"));
    let start = Instant::now();
    while !port.get("/metrics").starts_with("HTTP/1.1 200") {
        // They are cut after the write timeout of ten seconds.
        assert!(
            start.elapsed() < Duration::from_secs(25),
            "slow readers keep their places"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(slow);
}
