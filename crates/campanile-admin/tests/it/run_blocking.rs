//! `Admin::run_blocking`.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use campanile_admin::{Admin, Exposition, RequestRow, ServicePhase};
use campanile_listen::{Bind, ListenAddress};

use crate::support::{Port, TIMEOUT, get, read_until};

#[test]
fn port_responds_while_all_workers_are_blocked() {
    let workers = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .build()
        .unwrap();
    let port = Port::start(
        Admin::new()
            .with_metrics(|_: &str| "up 1\n".to_owned())
            .with_requests(|| vec![RequestRow::new("stuck")]),
    );
    let mut page = port.connect();
    page.write_all(get("/live", "").as_bytes()).unwrap();
    read_until(&mut page, "event: history");

    let blocked = Arc::new(Barrier::new(workers + 1));
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    for _ in 0..workers {
        let (blocked, released) = (Arc::clone(&blocked), Arc::clone(&released));
        runtime.spawn(async move {
            blocked.wait();
            let _ = released.lock().map(|released| released.recv());
        });
    }
    blocked.wait();
    for target in ["/livez", "/readyz", "/metrics", "/requests"] {
        // The fastest of several: other processes may load the machine.
        let times = (0..10).map(|_| {
            let start = Instant::now();
            let response = port.get(target);
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
            start.elapsed()
        });
        let quickest = times.min().unwrap();
        assert!(quickest < Duration::from_millis(50), "{target} took {quickest:?}");
    }
    read_until(&mut page, "event: sample");
    drop(release);
    runtime.shutdown_background();
}

#[test]
fn keep_alive_connection_is_closed_while_draining() {
    let phase = Arc::new(AtomicUsize::new(1));
    let seen = Arc::clone(&phase);
    let port = Port::start(Admin::new().with_status(move || ServicePhase::ALL[seen.load(Ordering::SeqCst)]));
    let mut stream = port.connect();
    for _ in 0..3 {
        stream.write_all(get("/readyz", "").as_bytes()).unwrap();
        let response = read_until(&mut stream, "\"ready\"");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    }
    phase.store(2, Ordering::SeqCst);
    stream.write_all(get("/readyz", "").as_bytes()).unwrap();
    let mut response = String::new();
    stream
        .read_to_string(&mut response)
        .expect("connection is closed after the response");
    assert!(response.contains("HTTP/1.1 503"), "{response}");
    assert!(response.contains("connection: close"), "{response}");
}

#[test]
fn malformed_requests_are_rejected() {
    let port = Port::start(Admin::new().with_drain(|| ()));
    let long = |length| "a".repeat(length);
    for (bytes, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "400"),
        (b"GET\r\n\r\n".to_vec(), "400"),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), "400"),
        (b"GET /\x00 HTTP/1.1\r\n\r\n".to_vec(), "400"),
        (get("/livez", "bad header\r\n").into_bytes(), "400"),
        (
            get("/livez", &format!("x: {}\r\n", long(100_000))).into_bytes(),
            "431",
        ),
        (get("/livez", &"x: y\r\n".repeat(1000)).into_bytes(), "431"),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", long(100_000)).into_bytes(),
            "",
        ),
    ] {
        let response = port.exchange(&bytes);
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(!response.contains("HTTP/1.1 20"), "{begin:?}: {response}");
        assert!(response.contains(status), "{begin:?}: {response}");
    }
    assert!(port.get("/livez").starts_with("HTTP/1.1 200"));
}

#[test]
fn ambiguous_framing_yields_no_second_request() {
    let drains = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&drains);
    let port = Port::start(Admin::new().with_drain(move || seen.fetch_add(1, Ordering::SeqCst)));
    let hidden = "POST /drain HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    let length = |value: &str| format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{value}\r\n\r\n{hidden}");
    let both = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"
    );
    for bytes in [
        both,
        length(&format!("Content-Length: {}", hidden.len())),
        length("Content-Length: 4\r\nContent-Length: 5"),
        length("Content-Length: +5"),
        length("Transfer-Encoding: xchunked"),
        length("Transfer-Encoding : chunked"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(),
    ] {
        let response = port.exchange(bytes.as_bytes());
        assert!(
            response.matches("HTTP/1.1 20").count() <= 1,
            "{bytes:?}: {response}"
        );
        assert!(!response.contains("HTTP/1.1 202"), "{bytes:?}: {response}");
    }
    assert_eq!(drains.load(Ordering::SeqCst), 0);
}

#[test]
fn head_has_no_invented_length() {
    let endless =
        || Exposition::from_chunks("text/plain", std::iter::repeat_with(|| "up 1\n".repeat(100_000)));
    let admin = Admin::new()
        .with_live_metrics(String::new)
        .with_config(|| "config".to_owned());
    let port = Port::start(admin.with_metrics(move |_: &str| endless()));
    for (target, length) in [
        ("/live", None),
        ("/metrics", None),
        ("/livez", Some("content-length: 3")),
        ("/_status/info/config", Some("content-length: 6")),
    ] {
        let head = format!("HEAD {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let response = port.exchange(head.as_bytes());
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(response.ends_with("\r\n\r\n"), "{response}");
        let sent = response.lines().find(|line| line.starts_with("content-length"));
        assert_eq!(sent, length, "{target}");
    }
}

#[test]
fn unix_clients_have_full_access() {
    let path = std::env::temp_dir().join(format!("campanile-admin-{}.sock", std::process::id()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let bind = Bind::new(ListenAddress::Unix(path.clone())).with_mode(0o600);
    let thread = std::thread::spawn(move || {
        let admin = Admin::new().with_requests(Vec::new);
        admin.run_blocking(bind, async {
            let _ = stopped.await;
        })
    });
    let start = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < TIMEOUT, "not bound: {error}"),
        }
        std::thread::yield_now();
    };
    let request = "GET /requests HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    drop(stop);
    thread.join().unwrap().unwrap();
    assert!(!path.exists(), "the file is removed");
}

#[test]
fn address_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Admin::new()
        .run_blocking(address, std::future::pending())
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn running_on_a_runtime_thread_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = Admin::new()
        .run_blocking(listener, std::future::pending())
        .unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[test]
fn shutdown_waits_for_no_client_and_no_callback() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let (started, starts) = mpsc::channel();
    let port = Port::start(
        Admin::new()
            .with_live_metrics(String::new)
            .with_metrics(move |_: &str| {
                let _ = started.send(());
                let _ = released.lock().unwrap().recv();
                String::new()
            }),
    );
    let idle = port.connect();
    let mut page = port.connect();
    page.write_all(get("/live", "").as_bytes()).unwrap();
    read_until(&mut page, "event: history");
    let mut hanging = port.connect();
    hanging.write_all(get("/metrics", "").as_bytes()).unwrap();
    starts.recv_timeout(TIMEOUT).expect("the scrape has started");

    let start = Instant::now();
    port.stop().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // The stream ends cleanly, so that the page does not report an error.
    let mut rest = String::new();
    page.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    for mut stream in [idle, hanging] {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    drop(release);
}

#[test]
fn hanging_scrapes_do_not_block_other_endpoints() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let admin = Admin::new()
        .with_live_metrics(String::new)
        .with_requests(Vec::new);
    let port = Port::start(admin.with_metrics(move |_: &str| {
        let _ = released.lock().unwrap().recv();
        String::new()
    }));
    let mut scrapes: Vec<TcpStream> = (0..30).map(|_| port.connect()).collect();
    for scrape in &mut scrapes {
        scrape.write_all(get("/metrics", "").as_bytes()).unwrap();
    }
    let start = Instant::now();
    for target in ["/livez", "/requests", "/", "/readyz"] {
        assert!(port.get(target).starts_with("HTTP/1.1 200"), "{target}");
    }
    // Before the first of them times out.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let response = read_until(&mut scrapes[0], "timed out after 10s\n");
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    drop(release);
}

#[test]
fn response_in_flight_completes_on_shutdown() {
    let (started, starts) = mpsc::channel();
    let port = Port::start(
        Admin::new()
            .with_live_metrics(String::new)
            .with_metrics(move |_: &str| {
                started.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(100));
                "up 1\n".to_owned()
            }),
    );
    let mut stream: TcpStream = port.connect();
    stream.write_all(get("/metrics", "").as_bytes()).unwrap();
    starts.recv_timeout(TIMEOUT).expect("the scrape has started");
    port.stop().unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("up 1\n"), "{response}");
}
