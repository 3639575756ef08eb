//! The admin port of a server. Alone in its process, since the server installs a recorder for it.

#![cfg(feature = "admin")]
#![allow(clippy::unwrap_used, reason = "a test may fail wherever it likes")]

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

/// Asks over a connection of its own and returns the whole answer.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_millis(800)).await;
    }
    Ok(Response::new(Full::from("ok")))
}

fn until(address: SocketAddr, request: &str, wanted: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let said = ask(address, request);
        if said.contains(wanted) {
            return;
        }
        assert!(Instant::now() < end, "{request} never said {wanted}: {said}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_call_opens_a_port_that_tells_of_the_service_until_it_has_stopped() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let service = ServiceBuilder::new().layer(stack()).service(service_fn(answer));
    let bound = Server::new(service)
        .bind("127.0.0.1:0")
        .admin_with("127.0.0.1:0", |admin| admin.with_service_name("stock"))
        .drain_time(Duration::from_millis(400))
        .bound()
        .unwrap();
    let at = bound.addresses().next().unwrap().tcp().unwrap();
    let admin = bound.admin_address().unwrap().tcp().unwrap();

    assert!(
        ask(admin, "GET /readyz").contains("\"phase\":\"starting\""),
        "it answers before it serves"
    );
    let serving = runtime.spawn(bound.run());
    until(admin, "GET /readyz", "\"phase\":\"ready\"");
    assert!(ask(at, "GET /").ends_with("ok"));
    until(admin, "GET /metrics", "http_server_requests_total{");
    until(admin, "GET /metrics", "listener_backlog_pending{");
    assert!(ask(admin, "GET /").contains("<title>campanile</title>"));

    let slow = std::thread::spawn(move || ask(at, "GET /slow"));
    until(admin, "GET /requests", "\"phase\":\"app\"");
    assert!(ask(admin, "POST /drain").starts_with("HTTP/1.1 202 "));
    let told = ask(admin, "GET /readyz");
    assert!(
        told.starts_with("HTTP/1.1 503 ")
            && told.contains("\"phase\":\"draining\"")
            && told.contains("\"seconds_left\":0."),
        "{told}"
    );
    until(admin, "GET /readyz", "\"phase\":\"stopping\"");
    assert!(slow.join().unwrap().ends_with("ok"));
    let report = runtime.block_on(serving).unwrap();
    assert!(!report.was_cut(), "{report:?}");
    let gone = TcpStream::connect(admin).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn an_admin_port_that_cannot_be_opened_is_an_error_before_anything_is_served() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    for (address, why) in [
        (taken.to_string(), "cannot listen on"),
        ("nowhere".to_owned(), "nowhere"),
    ] {
        let server = Server::new(service_fn(answer)).bind("127.0.0.1:0").admin(address);
        let error = server.bound().err().unwrap();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(why), "{error}: {source}");
    }
}
