//! The admin port of a server. In a process of its own, since the server installs a global recorder.

#![cfg(feature = "admin")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use campanile_inbound::stack;
use campanile_server::Server;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tower::{ServiceBuilder, service_fn};

/// Sends a request on a new connection and returns the whole response.
fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

async fn handle(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_millis(800)).await;
    }
    Ok(Response::new(Full::from("ok")))
}

/// Repeats a request until the response contains a text.
fn until(address: SocketAddr, request: &str, expected: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let response = send(address, request);
        if response.contains(expected) {
            return;
        }
        assert!(Instant::now() < end, "no {expected} from {request}: {response}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn admin_port_is_open_from_bind_until_the_service_has_stopped() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let service = ServiceBuilder::new().layer(stack()).service(service_fn(handle));
    let bound = Server::new(service)
        .bind("127.0.0.1:0")
        .admin_with("127.0.0.1:0", |admin| admin.with_service_name("stock"))
        .drain_time(Duration::from_millis(400))
        .try_bind()
        .unwrap();
    let at = bound.addresses().next().unwrap().tcp().unwrap();
    let admin = bound.admin_address().unwrap().tcp().unwrap();

    assert!(
        send(admin, "GET /readyz").contains("\"phase\":\"starting\""),
        "no response before the server runs"
    );
    let serving = runtime.spawn(bound.run());
    until(admin, "GET /readyz", "\"phase\":\"ready\"");
    assert!(send(at, "GET /").ends_with("ok"));
    until(admin, "GET /metrics", "http_server_requests_total{");
    until(admin, "GET /metrics", "listener_backlog_pending{");
    assert!(send(admin, "GET /").contains("<title>campanile</title>"));

    let slow = std::thread::spawn(move || send(at, "GET /slow"));
    until(admin, "GET /requests", "\"phase\":\"app\"");
    assert!(send(admin, "POST /drain").starts_with("HTTP/1.1 202 "));
    let response = send(admin, "GET /readyz");
    assert!(
        response.starts_with("HTTP/1.1 503 ")
            && response.contains("\"phase\":\"draining\"")
            && response.contains("\"seconds_left\":0."),
        "{response}"
    );
    until(admin, "GET /readyz", "\"phase\":\"stopping\"");
    assert!(slow.join().unwrap().ends_with("ok"));
    let report = runtime.block_on(serving).unwrap();
    assert!(!report.was_cut(), "{report:?}");
    let refused = TcpStream::connect(admin).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn failure_to_open_the_admin_port_is_an_error_at_bind() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    for (address, reason) in [
        (taken.to_string(), "cannot listen on"),
        ("nowhere".to_owned(), "nowhere"),
    ] {
        let server = Server::new(service_fn(handle)).bind("127.0.0.1:0").admin(address);
        let error = server.try_bind().err().unwrap();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(reason), "{error}: {source}");
    }
}
