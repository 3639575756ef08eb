//! What is served, where, and what a request knows of it.

use bytes::Bytes;
use campanile_listen::{Bind, ListenAddress, Listener};
use campanile_server::{Connection, Server};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpStream, UnixStream};
use tower::{ServiceExt, service_fn};

use crate::support::{Client, lifecycle, run, simple, start, times, within};

/// Answers with what it knows of the connection.
fn telling() -> crate::support::Simple {
    service_fn(async |request: Request<Incoming>| {
        let connection = request.extensions().get::<Connection>().unwrap();
        let text = format!(
            "{:?} {} {} {:?} {} {}",
            request.version(),
            connection.peer(),
            connection.listener(),
            connection.local_addr(),
            connection.is_tls(),
            connection.queue_wait().is_some(),
        );
        Ok(Response::new(Full::from(text)))
    })
    .boxed_clone()
}

/// Asks over HTTP/2.
async fn ask_http2<T>(io: T) -> String
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
    let answer = within("an answer", sender.send_request(request)).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn one_server_listens_on_tcp_and_unix_and_speaks_both_protocols_on_each() {
    let path = std::env::temp_dir().join(format!("campanile-server-{}.sock", std::process::id()));
    let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inherited.set_nonblocking(true).unwrap();
    let inherited = Listener::from_tcp(inherited, campanile_listen::Sharing::Exclusive).unwrap();
    let bound = Server::new(telling())
        .bind("127.0.0.1:0")
        .bind_with(Bind::new(path.clone()).with_mode(0o600))
        .listener(inherited)
        .lifecycle(lifecycle(times(0, 1000)))
        .bound()
        .unwrap();
    let addresses: Vec<ListenAddress> = bound.addresses().cloned().collect();
    assert_eq!(addresses[1].path(), Some(path.as_path()));
    let second = addresses[2].tcp().unwrap();
    let running = run(bound).await;
    let first = running.address;

    for address in [first, second] {
        let mut client = Client::new(TcpStream::connect(address).await.unwrap());
        let me = client.io.local_addr().unwrap();
        client.get("/").await;
        let expected = format!("HTTP/1.1 {me} {address} Some({address}) false true");
        assert_eq!(client.answer().await.body, expected);
        let stream = TcpStream::connect(address).await.unwrap();
        let me = stream.local_addr().unwrap();
        let expected = format!("HTTP/2.0 {me} {address} Some({address}) false true");
        assert_eq!(ask_http2(stream).await, expected);
    }
    let mut client = Client::new(UnixStream::connect(&path).await.unwrap());
    client.get("/").await;
    let label = path.display();
    let expected = format!("HTTP/1.1 unix: unix:{label} None false false");
    assert_eq!(client.answer().await.body, expected);
    let told = ask_http2(UnixStream::connect(&path).await.unwrap()).await;
    assert_eq!(told, format!("HTTP/2.0 unix: unix:{label} None false false"));

    running.handle.drain();
    let report = running.stopped().await;
    assert!(!report.was_cut(), "{report:?}");
    assert!(!path.exists(), "the path is given back");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn an_axum_router_knows_its_peer() {
    use axum::extract::ConnectInfo;
    use axum::routing::get;
    use std::net::SocketAddr;

    let app = axum::Router::new().route(
        "/peer",
        get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()),
    );
    let running = start(times(0, 1000), Server::new(app)).await;
    let mut client = running.client().await;
    client.get("/peer").await;
    let answer = client.answer().await;
    assert_eq!(answer.body, client.io.local_addr().unwrap().to_string());
    client.get("/elsewhere").await;
    assert_eq!(client.answer().await.status, 404);
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_connection_and_no_other() {
    let service = service_fn(async |request: Request<Incoming>| {
        assert_ne!(request.uri().path(), "/boom", "on purpose");
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("ok")))
    });
    let running = start(times(0, 1000), Server::new(service)).await;
    let mut other = running.kept_alive().await;
    let mut client = running.client().await;
    client.get("/boom").await;
    assert_eq!(client.rest().await, "");
    other.get("/").await;
    assert_eq!(other.answer().await.status, 200);
    drop((client, other));
    running.in_flight(1).await;
    running.handle.drain();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn a_service_is_asked_for_its_readiness_and_waited_for() {
    // Clones share one permit; tower panics where a service is called without having been ready.
    let service = tower::limit::ConcurrencyLimit::new(simple(), 1);
    let running = start(times(0, 1000), Server::new(service)).await;
    let (mut slow, mut next) = (running.client().await, running.client().await);
    slow.get("/sleep/300").await;
    tokio::time::sleep(crate::support::ms(50)).await;
    next.get("/").await;
    let (answer, took) = crate::support::timed(next.answer()).await;
    assert_eq!(answer.status, 200);
    assert!(took > crate::support::ms(150), "not waited for: {took:?}");
    assert_eq!(slow.answer().await.status, 200);
}

#[tokio::test]
async fn what_cannot_begin_says_why() {
    let error = Server::new(simple()).bound().unwrap_err();
    assert!(error.to_string().contains("nothing to listen on"), "{error}");
    let error = Server::new(simple()).bind("nowhere").bound().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("nowhere"), "{source}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::new(simple())
        .bind(address)
        .lifecycle(lifecycle(times(0, 0)))
        .bound()
        .unwrap_err();
    assert_eq!(error.address(), Some(address.to_string()));
}
