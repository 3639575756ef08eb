//! A stop, moment by moment, as baseplate's users know it, and what is better here.
//!
//! | baseplate | here |
//! |---|---|
//! | only the app's own endpoint can show that it drains | readiness says so at once, with the seconds left |
//! | new connections are served in the drain time, and nothing asks clients to go | the same, and answers say `Connection: close` |
//! | kept-alive connections serve new requests even after the listener is closed | they are closed once idle |
//! | one idle connection holds the exit for the whole stop timeout | none does |
//! | what is left is killed with a 500, and nobody knows what it was | 503, counted, and named in the log |
//! | a second signal does nothing | it ends the drain time, a third one cuts |

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use campanile_tests::{
    process::{Process, wait_until},
    wire::{Ask, Socket, connect, read_head},
};

use super::boot;

/// Room for a machine that is busy with other tests.
const SLACK: Duration = Duration::from_secs(4);

/// Sends a request on a connection that goes on.
fn send(connection: &mut dyn Socket, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    connection
        .write_all(head.as_bytes())
        .expect("the connection lives");
}

/// Reads an answer with a length and returns its head.
fn receive(connection: &mut dyn Socket) -> String {
    let head = read_head(connection).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
    connection.read_exact(&mut body).expect("the body comes");
    head
}

/// Reads to the end of the connection, which has to be a clean one.
fn end(connection: &mut dyn Socket) -> String {
    let mut rest = String::new();
    connection.read_to_string(&mut rest).expect("the end is clean");
    rest
}

fn phase(service: &Process) -> String {
    let told = Ask::get("/readyz").of(service.admin()).json();
    told["phase"].as_str().expect("a phase").to_owned()
}

/// Waits until the service says that it is there.
fn until(service: &Process, wanted: &str) {
    wait_until(|| phase(service) == wanted, || format!("it was never {wanted}"));
}

fn refused(service: &Process) -> bool {
    TcpStream::connect(service.address()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn ends_within(service: &mut Process, since: Instant, limit: Duration) {
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let took = since.elapsed();
    assert!(took < limit + SLACK, "it took {took:?}:\n{}", service.log());
}

#[test]
fn all_is_served_in_the_drain_time_and_clients_are_asked_to_go() {
    for signal in ["TERM", "INT", "USR2"] {
        let mut service = boot(&["--drain", "3"]);
        let mut kept = connect(service.address()).unwrap();
        send(&mut *kept, "/fast");
        assert!(!receive(&mut *kept).contains("connection: close"));
        let begun = Instant::now();
        service.signal(signal);
        until(&service, "draining");
        let told = Ask::get("/readyz").of(service.admin());
        assert_eq!(told.status(), 503);
        let left = told.json()["seconds_left"].as_f64().expect("a number");
        assert!(left > 0.0 && left <= 3.0, "{left}");
        assert_eq!(Ask::get("/health?type=2").of(service.admin()).status(), 200);
        // The connection that was there before, and a new one.
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
}

#[test]
fn who_asks_on_and_on_is_told_to_go_and_loses_nothing() {
    let mut service = boot(&["--drain", "1.5"]);
    let (address, begun) = (service.address().to_owned(), Instant::now());
    let clients = [
        std::thread::spawn({
            let address = address.clone();
            move || ask_on_over_http1(&address)
        }),
        std::thread::spawn(move || ask_on_over_http2(&address)),
    ];
    // Several hundred requests before, and as many in the drain time.
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        clients.iter().all(|client| !client.is_finished()),
        "nobody told them to go yet"
    );
    service.signal("TERM");
    for client in clients {
        let (before, after) = client.join().expect("no request fails");
        assert!(
            before > 10 && after > 10,
            "{before} requests, and {after} on later connections"
        );
    }
    ends_within(&mut service, begun, Duration::from_millis(2500));
}

/// Asks until nobody listens; returns how many requests were answered on the first connection, and how many on those
/// that followed.
fn ask_on_over_http1(address: &str) -> (u32, u32) {
    let (mut before, mut after) = (0, 0);
    let mut connection = connect(address).expect("the service listens");
    loop {
        send(&mut *connection, "/fast");
        let head = receive(&mut *connection);
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let told = head.contains("connection: close");
        // Nobody is told twice on one connection.
        if told {
            assert_eq!(end(&mut *connection), "");
        }
        if after > 0 || told {
            after += 1;
        } else {
            before += 1;
        }
        if told {
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

/// The same, where GOAWAY tells.
#[tokio::main(flavor = "current_thread")]
async fn ask_on_over_http2(address: &str) -> (u32, u32) {
    let (mut before, mut after) = (0, 0);
    for number in 0.. {
        let io = match tokio::net::TcpStream::connect(address).await {
            Ok(io) => io,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                break;
            }
        };
        let (mut requests, connection) = h2::client::handshake(io).await.expect("it speaks HTTP/2");
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
                .expect("it is well-formed");
            let (answer, _) = requests.send_request(request, true).expect("it was ready");
            let mut answer = answer.await.expect("each request is answered");
            assert_eq!(answer.status(), 200);
            while let Some(data) = answer.body_mut().data().await {
                data.expect("the body comes whole");
            }
            *(if number == 0 { &mut before } else { &mut after }) += 1;
        }
        connection
            .await
            .expect("it does not panic")
            .expect("the end is clean");
    }
    (before, after)
}

#[test]
fn idle_connections_hold_nothing() {
    let mut service = boot(&["--drain", "0.3", "--stop", "60"]);
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
fn what_is_in_flight_ends_and_then_at_once_the_service() {
    let mut service = boot(&["--drain", "0", "--stop", "60"]);
    let mut slow = connect(service.address()).unwrap();
    send(&mut *slow, "/sleep/1.5");
    let mut stream = connect(service.address()).unwrap();
    send(&mut *stream, "/stream?n=6");
    assert!(read_head(&mut *stream).starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    service.signal("TERM");
    until(&service, "stopping");
    wait_until(
        || refused(&service),
        || "the listener was never closed".to_owned(),
    );
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
fn what_is_left_at_the_end_is_answered_counted_and_named() {
    let mut service = boot(&["--drain", "0", "--stop", "1"]);
    let ask = "GET /sleep/600 HTTP/1.1\r\nHost: x\r\nX-Request-Id: the-sleeper\r\n\r\n";
    let mut sleeper = connect(service.address()).unwrap();
    sleeper.write_all(ask.as_bytes()).unwrap();
    let mut stream = connect(service.address()).unwrap();
    send(&mut *stream, "/stream?n=3000");
    assert!(read_head(&mut *stream).starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    service.signal("TERM");
    let answer = end(&mut *sleeper).to_ascii_lowercase();
    assert!(
        answer.starts_with("http/1.1 503 ") && answer.contains("connection: close\r\n"),
        "{answer}"
    );
    // No last chunk: the client sees that something is missing.
    let body = end(&mut *stream);
    assert!(
        body.contains("chunk 1") && !body.ends_with("\r\n0\r\n\r\n"),
        "{body}"
    );
    ends_within(&mut service, begun, Duration::from_secs(2));
    let log = service.log();
    for said in ["the-sleeper", "/sleep/{s}", "/stream"] {
        assert!(log.contains(said), "{said} is not in the log:\n{log}");
    }
}

#[test]
fn a_second_signal_ends_the_drain_time_and_a_third_cuts() {
    let mut service = boot(&["--drain", "600", "--stop", "600"]);
    let mut sleeper = connect(service.address()).unwrap();
    send(&mut *sleeper, "/sleep/600");
    let begun = Instant::now();
    service.signal("TERM");
    until(&service, "draining");
    service.signal("TERM");
    until(&service, "stopping");
    service.signal("INT");
    assert!(end(&mut *sleeper).starts_with("HTTP/1.1 503 "));
    ends_within(&mut service, begun, Duration::from_secs(1));
}

#[test]
fn half_a_head_does_not_hold_the_exit() {
    let mut service = boot(&["--drain", "0", "--stop", "60"]);
    let mut slow_loris = connect(service.address()).unwrap();
    slow_loris
        .write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\nX-One: 1\r\n")
        .unwrap();
    // Heard, or the stop would find a connection that says nothing.
    let open = format!(
        "http_server_open_connections{{listener=\"{}\"}} 1\n",
        service.address()
    );
    wait_until(
        || Ask::get("/metrics").of(service.admin()).text().contains(&open),
        || "it was never accepted".to_owned(),
    );
    let begun = Instant::now();
    service.signal("TERM");
    let drip = move || -> io::Result<()> {
        loop {
            slow_loris.write_all(b"X-More: 1\r\n")?;
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    // Ends with the connection.
    let drip = std::thread::spawn(drip);
    ends_within(&mut service, begun, Duration::from_secs(6));
    assert!(drip.join().expect("it only writes").is_err());
}

#[test]
fn a_websocket_is_told_and_waited_for() {
    let mut service = boot(&["--drain", "0", "--stop", "60"]);
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
    // A close frame: 1001, going away.
    let mut frame = [0; 4];
    socket.read_exact(&mut frame).unwrap();
    assert_eq!((frame[0], &frame[2..]), (0x88, &[0x03, 0xe9][..]));
    let mut why = vec![0; usize::from(frame[1]) - 2];
    socket.read_exact(&mut why).unwrap();
    assert_eq!(phase(&service), "stopping", "{}", service.log());
    // Masked by nothing, and with it the client says goodbye as well.
    socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).unwrap();
    assert_eq!(end(&mut *socket), "");
    ends_within(&mut service, begun, Duration::from_secs(1));
}
