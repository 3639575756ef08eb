//! The timeline of a shutdown, compared with that of baseplate.
//!
//! | baseplate | here |
//! |---|---|
//! | only an endpoint of the app can report that it drains | readiness fails immediately, with the seconds left |
//! | new connections are served in the drain time, and clients are not asked to reconnect | the same, and responses have `Connection: close` |
//! | kept-alive connections serve new requests even after the listener is closed | they are closed once idle |
//! | an idle connection delays the exit until the stop timeout | idle connections are closed |
//! | remaining requests are aborted with 500 and not reported | 503, recorded, and listed in the log |
//! | a second signal has no effect | it ends the drain time, a third one aborts |

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use campanile_tests::{
    client::{Socket, TestRequest, connect, metrics_text, read_head, read_response},
    process::{Process, wait_until},
};

use super::start_service;

/// Tolerance for busy machines.
const SLACK: Duration = Duration::from_secs(4);

/// Sends a request on a persistent connection.
fn send(connection: &mut dyn Socket, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    connection
        .write_all(head.as_bytes())
        .expect("the connection is open");
}

/// Reads a response with a length, and returns its head in lower case.
fn receive(connection: &mut dyn Socket) -> String {
    read_response(connection).0
}

/// Reads to the end of the connection, which must not be a reset.
fn end(connection: &mut dyn Socket) -> String {
    let mut rest = String::new();
    connection
        .read_to_string(&mut rest)
        .expect("the connection is not reset");
    rest
}

fn phase(service: &Process) -> String {
    let readiness = TestRequest::get("/readyz").send(service.admin()).json();
    readiness["phase"].as_str().expect("a phase").to_owned()
}

/// Waits until the service reports a phase.
fn wait_for_phase(service: &Process, expected: &str) {
    wait_until(
        || phase(service) == expected,
        || format!("the phase never was {expected}"),
    );
}

fn refused(service: &Process) -> bool {
    TcpStream::connect(service.address()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn ends_within(service: &mut Process, since: Instant, limit: Duration) {
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let took = since.elapsed();
    assert!(
        took < limit + SLACK,
        "the shutdown took {took:?}:\n{}",
        service.log()
    );
}

#[test]
fn requests_are_served_in_the_drain_time_and_clients_are_asked_to_reconnect() {
    thread::scope(|scope| {
        for signal in ["TERM", "INT", "USR2"] {
            scope.spawn(move || serves_in_the_drain_time(signal));
        }
    });
}

fn serves_in_the_drain_time(signal: &str) {
    let mut service = start_service(&["--drain", "3"]);
    let mut kept = connect(service.address()).unwrap();
    send(&mut *kept, "/fast");
    assert!(!receive(&mut *kept).contains("connection: close"));
    let begun = Instant::now();
    service.signal(signal);
    wait_for_phase(&service, "draining");
    let readiness = TestRequest::get("/readyz").send(service.admin());
    assert_eq!(readiness.status(), 503);
    let left = readiness.json()["seconds_left"].as_f64().expect("a number");
    assert!(left > 0.0 && left <= 3.0, "{left}");
    let startup = TestRequest::get("/health?type=2").send(service.admin());
    assert_eq!(startup.status(), 200);
    // The connection from before the signal, and a new one.
    let mut new = connect(service.address()).unwrap();
    for connection in [&mut kept, &mut new] {
        send(&mut **connection, "/fast");
        let head = receive(&mut **connection);
        assert!(
            head.starts_with("http/1.1 200") && head.contains("connection: close"),
            "{head}"
        );
        assert_eq!(end(&mut **connection), "");
    }
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(3) + SLACK,
        "{signal}: {took:?}"
    );
}

#[test]
fn clients_under_load_are_asked_to_reconnect_and_lose_no_request() {
    let mut service = start_service(&["--drain", "1.5"]);
    let (address, begun) = (service.address().to_owned(), Instant::now());
    let clients = [
        thread::spawn({
            let address = address.clone();
            move || send_until_refused_http1(&address)
        }),
        thread::spawn(move || send_until_refused_http2(&address)),
    ];
    // Long enough for hundreds of requests before the signal.
    thread::sleep(Duration::from_millis(300));
    assert!(
        clients.iter().all(|client| !client.is_finished()),
        "clients are not asked to reconnect yet"
    );
    service.signal("TERM");
    for client in clients {
        let (before, after) = client.join().expect("no request fails");
        assert!(
            before > 10 && after > 10,
            "{before} requests before, {after} on later connections"
        );
    }
    ends_within(&mut service, begun, Duration::from_millis(2500));
}

/// Sends requests until connecting is refused; returns the numbers of responses on the first connection and on later ones.
fn send_until_refused_http1(address: &str) -> (u32, u32) {
    let (mut before, mut after) = (0, 0);
    let mut connection = connect(address).expect("the service listens");
    loop {
        send(&mut *connection, "/fast");
        let head = receive(&mut *connection);
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let closes = head.contains("connection: close");
        // The server closes after the first `Connection: close`.
        if closes {
            assert_eq!(end(&mut *connection), "");
        }
        if after > 0 || closes {
            after += 1;
        } else {
            before += 1;
        }
        if closes {
            connection = match connect(address) {
                Ok(connection) => connection,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                    return (before, after);
                }
            };
        }
    }
}

/// The same over HTTP/2, with GOAWAY.
#[tokio::main(flavor = "current_thread")]
async fn send_until_refused_http2(address: &str) -> (u32, u32) {
    let (mut before, mut after) = (0, 0);
    for number in 0.. {
        let io = match tokio::net::TcpStream::connect(address).await {
            Ok(io) => io,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                break;
            }
        };
        let (mut requests, connection) = h2::client::handshake(io).await.expect("the server speaks HTTP/2");
        let connection = tokio::spawn(connection);
        loop {
            requests = match requests.ready().await {
                Ok(requests) => requests,
                Err(goaway) => {
                    assert_eq!(goaway.reason(), Some(h2::Reason::NO_ERROR), "{goaway:?}");
                    assert!(goaway.is_go_away() && goaway.is_remote(), "{goaway:?}");
                    break;
                }
            };
            let request = http::Request::get("http://x/fast")
                .body(())
                .expect("a valid request");
            let (response, _) = requests
                .send_request(request, true)
                .expect("the connection is ready");
            let mut response = response.await.expect("a response to each request");
            assert_eq!(response.status(), 200);
            while let Some(data) = response.body_mut().data().await {
                data.expect("a whole body");
            }
            *(if number == 0 { &mut before } else { &mut after }) += 1;
        }
        connection
            .await
            .expect("the task does not panic")
            .expect("the connection is not reset");
    }
    (before, after)
}

#[test]
fn idle_connections_do_not_delay_the_exit() {
    let mut service = start_service(&["--drain", "0.3", "--stop", "60"]);
    let mut used = connect(service.address()).unwrap();
    send(&mut *used, "/fast");
    receive(&mut *used);
    let mut never_used = connect(service.address()).unwrap();
    let begun = Instant::now();
    service.signal("TERM");
    ends_within(&mut service, begun, Duration::from_millis(800));
    assert_eq!(end(&mut *used), "");
    assert_eq!(end(&mut *never_used), "");
}

#[test]
fn the_service_exits_once_requests_in_flight_have_completed() {
    let mut service = start_service(&["--drain", "0", "--stop", "60"]);
    let mut slow = connect(service.address()).unwrap();
    send(&mut *slow, "/sleep/1.5");
    let mut stream = connect(service.address()).unwrap();
    send(&mut *stream, "/stream?n=6");
    assert!(read_head(&mut *stream).starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    service.signal("TERM");
    wait_for_phase(&service, "stopping");
    wait_until(|| refused(&service), || "the listener is still open".to_owned());
    let head = receive(&mut *slow);
    assert!(
        head.starts_with("http/1.1 200") && head.contains("connection: close"),
        "{head}"
    );
    let body = end(&mut *stream);
    assert!(body.contains("chunk 5") && body.ends_with("0\r\n\r\n"), "{body}");
    ends_within(&mut service, begun, Duration::from_millis(1700));
}

#[test]
fn requests_at_the_stop_timeout_get_503_and_are_logged() {
    let mut service = start_service(&["--drain", "0", "--stop", "1"]);
    let request = "GET /sleep/600 HTTP/1.1\r\nHost: x\r\nX-Request-Id: the-sleeper\r\n\r\n";
    let mut sleeping = connect(service.address()).unwrap();
    sleeping.write_all(request.as_bytes()).unwrap();
    let mut stream = connect(service.address()).unwrap();
    send(&mut *stream, "/stream?n=3000");
    assert!(read_head(&mut *stream).starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    service.signal("TERM");
    let response = end(&mut *sleeping).to_ascii_lowercase();
    assert!(
        response.starts_with("http/1.1 503 ") && response.contains("connection: close\r\n"),
        "{response}"
    );
    // Without the last chunk, the client knows that the body is incomplete.
    let body = end(&mut *stream);
    assert!(
        body.contains("chunk 1") && !body.ends_with("\r\n0\r\n\r\n"),
        "{body}"
    );
    ends_within(&mut service, begun, Duration::from_secs(2));
    let log = service.log();
    for expected in ["the-sleeper", "/sleep/{s}", "/stream"] {
        assert!(log.contains(expected), "{expected} is not in the log:\n{log}");
    }
}

#[test]
fn a_second_signal_ends_the_drain_time_and_a_third_aborts() {
    let mut service = start_service(&["--drain", "600", "--stop", "600"]);
    let mut sleeping = connect(service.address()).unwrap();
    send(&mut *sleeping, "/sleep/600");
    let begun = Instant::now();
    service.signal("TERM");
    wait_for_phase(&service, "draining");
    service.signal("TERM");
    wait_for_phase(&service, "stopping");
    service.signal("INT");
    assert!(end(&mut *sleeping).starts_with("HTTP/1.1 503 "));
    ends_within(&mut service, begun, Duration::from_secs(1));
}

#[test]
fn an_incomplete_request_head_does_not_delay_the_exit() {
    let mut service = start_service(&["--drain", "0", "--stop", "60"]);
    let mut slow_loris = connect(service.address()).unwrap();
    slow_loris
        .write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\nX-One: 1\r\n")
        .unwrap();
    // The connection must have been accepted.
    let open = format!(
        "http_server_open_connections{{listener=\"{}\"}} 1\n",
        service.address()
    );
    wait_until(
        || metrics_text(service.admin()).contains(&open),
        || "the connection is not accepted".to_owned(),
    );
    let begun = Instant::now();
    service.signal("TERM");
    let send_slowly = move || -> io::Result<()> {
        loop {
            slow_loris.write_all(b"X-More: 1\r\n")?;
            thread::sleep(Duration::from_millis(100));
        }
    };
    // The thread ends with the connection.
    let sender = thread::spawn(send_slowly);
    ends_within(&mut service, begun, Duration::from_secs(6));
    assert!(sender.join().expect("the thread does not panic").is_err());
}

#[test]
fn a_websocket_gets_a_close_frame_and_is_awaited() {
    let mut service = start_service(&["--drain", "0", "--stop", "60"]);
    let mut socket = connect(service.address()).unwrap();
    socket
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    assert!(read_head(&mut *socket).starts_with("HTTP/1.1 101 "));
    let begun = Instant::now();
    service.signal("TERM");
    // A close frame with status 1001, going away.
    let mut frame = [0; 4];
    socket.read_exact(&mut frame).unwrap();
    assert_eq!((frame[0], &frame[2..]), (0x88, &[0x03, 0xe9][..]));
    let mut reason = vec![0; usize::from(frame[1]) - 2];
    socket.read_exact(&mut reason).unwrap();
    assert_eq!(phase(&service), "stopping", "{}", service.log());
    // The close frame of the client, masked with zeros.
    socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).unwrap();
    assert_eq!(end(&mut *socket), "");
    ends_within(&mut service, begun, Duration::from_secs(1));
}
