//! Protocols, listeners, and the `Connection` of a request.

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

/// Responds with a description of the connection.
fn describe_connection() -> crate::support::Simple {
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

/// Sends a request over HTTP/2 and returns the response body.
async fn get_http2<T>(io: T) -> String
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
    let response = within("a response", sender.send_request(request)).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn serves_both_protocols_on_tcp_and_unix_listeners() {
    let path = std::env::temp_dir().join(format!("campanile-server-{}.sock", std::process::id()));
    let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inherited.set_nonblocking(true).unwrap();
    let inherited = Listener::from_tcp(inherited, campanile_listen::Sharing::Exclusive).unwrap();
    let bound = Server::new(describe_connection())
        .bind("127.0.0.1:0")
        .bind_with(Bind::new(path.clone()).with_mode(0o600))
        .listener(inherited)
        .lifecycle(lifecycle(times(0, 1000)))
        .try_bind()
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
        assert_eq!(client.response().await.body, expected);
        let stream = TcpStream::connect(address).await.unwrap();
        let me = stream.local_addr().unwrap();
        let expected = format!("HTTP/2.0 {me} {address} Some({address}) false true");
        assert_eq!(get_http2(stream).await, expected);
    }
    let mut client = Client::new(UnixStream::connect(&path).await.unwrap());
    client.get("/").await;
    let label = path.display();
    let expected = format!("HTTP/1.1 unix: unix:{label} None false false");
    assert_eq!(client.response().await.body, expected);
    let description = get_http2(UnixStream::connect(&path).await.unwrap()).await;
    assert_eq!(
        description,
        format!("HTTP/2.0 unix: unix:{label} None false false")
    );

    running.handle.drain();
    let report = running.stopped().await;
    assert!(!report.was_cut(), "{report:?}");
    assert!(!path.exists(), "the socket file was not removed");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_router_gets_connect_info() {
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
    let response = client.response().await;
    assert_eq!(response.body, client.io.local_addr().unwrap().to_string());
    client.get("/elsewhere").await;
    assert_eq!(client.response().await.status, 404);
}

#[tokio::test]
async fn handler_panic_closes_its_connection_only() {
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
    assert_eq!(other.response().await.status, 200);
    drop((client, other));
    running.in_flight(1).await;
    running.handle.drain();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn service_is_polled_for_readiness() {
    // Clones share one permit, and a call without prior readiness panics.
    let service = tower::limit::ConcurrencyLimit::new(simple(), 1);
    let running = start(times(0, 1000), Server::new(service)).await;
    let (mut slow, mut next) = (running.client().await, running.client().await);
    slow.get("/sleep/300").await;
    tokio::time::sleep(crate::support::ms(50)).await;
    next.get("/").await;
    let (response, took) = crate::support::timed(next.response()).await;
    assert_eq!(response.status, 200);
    assert!(
        took > crate::support::ms(150),
        "called before it was ready: {took:?}"
    );
    assert_eq!(slow.response().await.status, 200);
}

#[tokio::test]
async fn bind_errors_name_their_cause() {
    let error = Server::new(simple()).try_bind().unwrap_err();
    assert!(error.to_string().contains("no listener"), "{error}");
    let error = Server::new(simple()).bind("nowhere").try_bind().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("nowhere"), "{source}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::new(simple())
        .bind(address)
        .lifecycle(lifecycle(times(0, 0)))
        .try_bind()
        .unwrap_err();
    assert_eq!(error.address(), Some(address.to_string()));
}

#[tokio::test]
async fn zero_settings_are_errors_at_bind() {
    let server = || Server::new(simple()).bind("127.0.0.1:0");
    let error = server().max_connections(0).try_bind().unwrap_err();
    assert_eq!(error.to_string(), "max_connections must not be zero");
    let error = server()
        .backlog_interval(std::time::Duration::ZERO)
        .try_bind()
        .unwrap_err();
    assert_eq!(error.to_string(), "backlog_interval must not be zero");
}
