//! The port on a thread of its own.

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

use campanile_admin::{Admin, Phase, Request};
use campanile_listen::{Bind, ListenAddress};

use crate::support::{LONG, Port, get, read_until};

#[test]
fn it_answers_while_the_service_cannot() {
    let workers = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .build()
        .unwrap();
    let port = Port::start(
        Admin::new()
            .with_metrics(|_: &str| "up 1\n".to_owned())
            .with_requests(|| vec![Request::new("stuck")]),
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
        // The quickest of some: the machine may be busy otherwise.
        let times = (0..10).map(|_| {
            let asked = Instant::now();
            let answer = port.get(target);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            asked.elapsed()
        });
        let quickest = times.min().unwrap();
        assert!(quickest < Duration::from_millis(50), "{target} took {quickest:?}");
    }
    read_until(&mut page, "event: sample");
    drop(release);
    runtime.shutdown_background();
}

#[test]
fn a_kept_connection_is_told_of_the_drain_and_closed() {
    let phase = Arc::new(AtomicUsize::new(1));
    let seen = Arc::clone(&phase);
    let port = Port::start(Admin::new().with_status(move || Phase::ALL[seen.load(Ordering::SeqCst)]));
    let mut stream = port.connect();
    for _ in 0..3 {
        stream.write_all(get("/readyz", "").as_bytes()).unwrap();
        let answer = read_until(&mut stream, "\"ready\"");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    phase.store(2, Ordering::SeqCst);
    stream.write_all(get("/readyz", "").as_bytes()).unwrap();
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("it is closed after the answer");
    assert!(answer.contains("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[test]
fn nonsense_is_refused() {
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
        let answer = port.exchange(&bytes);
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(!answer.contains("HTTP/1.1 20"), "{begin:?}: {answer}");
        assert!(answer.contains(status), "{begin:?}: {answer}");
    }
    assert!(port.get("/livez").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_unix_socket_is_for_who_may_open_it() {
    let path = std::env::temp_dir().join(format!("campanile-admin-{}.sock", std::process::id()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let bind = Bind::new(ListenAddress::Unix(path.clone())).with_mode(0o600);
    let thread = std::thread::spawn(move || {
        let admin = Admin::new().with_requests(Vec::new);
        admin.run_blocking(bind, async {
            let _ = stopped.await;
        })
    });
    let begun = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(error) => assert!(begun.elapsed() < LONG, "it is not bound: {error}"),
        }
        std::thread::yield_now();
    };
    let request = "GET /requests HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(stop);
    thread.join().unwrap().unwrap();
    assert!(!path.exists(), "the file is removed");
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Admin::new()
        .run_blocking(address, std::future::pending())
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn it_ends_whoever_still_listens() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let (begun, begins) = mpsc::channel();
    let port = Port::start(Admin::new().with_live(String::new).with_metrics(move |_: &str| {
        let _ = begun.send(());
        let _ = released.lock().unwrap().recv();
        String::new()
    }));
    let idle = port.connect();
    let mut page = port.connect();
    page.write_all(get("/live", "").as_bytes()).unwrap();
    read_until(&mut page, "event: history");
    let mut hanging = port.connect();
    hanging.write_all(get("/metrics", "").as_bytes()).unwrap();
    begins.recv_timeout(LONG).expect("the scrape has begun");

    let asked = Instant::now();
    port.stop().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    // The page is told that this was the end, and does not take it for a fault.
    let mut rest = String::new();
    page.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    for mut stream in [idle, hanging] {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    drop(release);
}

#[test]
fn scrapes_that_hang_hold_up_nobody_else() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let admin = Admin::new().with_live(String::new).with_requests(Vec::new);
    let port = Port::start(admin.with_metrics(move |_: &str| {
        let _ = released.lock().unwrap().recv();
        String::new()
    }));
    let mut scrapes: Vec<TcpStream> = (0..30).map(|_| port.connect()).collect();
    for scrape in &mut scrapes {
        scrape.write_all(get("/metrics", "").as_bytes()).unwrap();
    }
    let asked = Instant::now();
    for target in ["/livez", "/requests", "/", "/readyz"] {
        assert!(port.get(target).starts_with("HTTP/1.1 200"), "{target}");
    }
    // Before the first of them is given up.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let answer = read_until(&mut scrapes[0], "too long\n");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop(release);
}

#[test]
fn an_answer_under_way_is_sent_to_its_end() {
    let (begun, begins) = mpsc::channel();
    let port = Port::start(Admin::new().with_live(String::new).with_metrics(move |_: &str| {
        begun.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        "up 1\n".to_owned()
    }));
    let mut stream: TcpStream = port.connect();
    stream.write_all(get("/metrics", "").as_bytes()).unwrap();
    begins.recv_timeout(LONG).expect("the scrape has begun");
    port.stop().unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("up 1\n"), "{answer}");
}
