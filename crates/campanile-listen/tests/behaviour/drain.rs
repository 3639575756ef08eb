//! axum and tonic servers over a draining listener.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use campanile_listen::{Bind, Drained, DrainingListener, Listener, PeerAddress};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::transport::Server;

use crate::closing::{any_port, path};
use crate::support::{connect, eventually, read_to, recorder, send, within};

/// Clients in the accept queue at the signal.
const QUEUED: usize = 100;

/// Time from the signal to each client's request, as on a slow network.
const REQUEST_DELAY: Duration = Duration::from_millis(100);

struct Setup {
    address: SocketAddr,
    signal: oneshot::Sender<()>,
    draining: DrainingListener,
    drained: Drained,
}

/// Binds a listener with a connection limit of 1, so that further clients are queued.
fn listen() -> Setup {
    let bind = Bind::new(any_port())
        .with_recorder(recorder())
        .with_connection_limit(1);
    let listener = bind.bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let (signal, signalled) = oneshot::channel();
    let (draining, drained) = listener.drain_when(async {
        let _ = signalled.await;
    });
    Setup {
        address,
        signal,
        draining,
        drained,
    }
}

async fn queued_clients(address: SocketAddr) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for _ in 0..QUEUED {
        clients.push(connect(address).await);
    }
    clients
}

#[tokio::test]
async fn axum_serves_queued_clients_after_the_signal_and_ends() {
    let Setup {
        address,
        signal,
        draining,
        drained,
    } = listen();
    let app = Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("peer {peer} end") }),
    );
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(draining.into_axum().unwrap(), app).with_graceful_shutdown(drained);
    let served = tokio::spawn(served.into_future());
    let mut first = connect(address).await;
    send(&mut first, "GET / HTTP/1.1").await;
    read_to(&mut first, " end").await;

    let mut requests = JoinSet::new();
    let clients = queued_clients(address).await;
    signal.send(()).unwrap();
    for mut client in clients {
        requests.spawn(async move {
            tokio::time::sleep(REQUEST_DELAY).await;
            send(&mut client, "GET / HTTP/1.1").await;
            let response = read_to(&mut client, " end").await;
            assert!(
                response.ends_with(&format!("peer {} end", client.local_addr().unwrap())),
                "{response}"
            );
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
    within("the server to end", served).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn tonic_serves_queued_clients_after_the_signal_and_ends() {
    let Setup {
        address,
        signal,
        draining,
        drained,
    } = listen();
    let service = tower::service_fn(|_: http::Request<Body>| async {
        Ok::<_, Infallible>(http::Response::new(Body::empty()))
    });
    let served = Server::builder().serve_with_incoming_shutdown(service, draining.into_incoming(), drained);
    let served = tokio::spawn(served);
    let first = connect(address).await;
    // It then holds the only permit.
    eventually("the first client to be accepted", || {
        let length = crate::limit::kernel_queue(address);
        (length == Some(0))
            .then_some(())
            .ok_or_else(|| format!("the queue holds {length:?}"))
    })
    .await;

    let mut requests = JoinSet::new();
    let clients = queued_clients(address).await;
    signal.send(()).unwrap();
    for client in clients {
        requests.spawn(async move {
            tokio::time::sleep(REQUEST_DELAY).await;
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client));
            let (mut sender, connection) = within("the HTTP/2 handshake", handshake).await.unwrap();
            tokio::spawn(connection);
            let request = http::Request::post(format!("http://{address}/p.S/M")).body(Empty::<Bytes>::new());
            let response = within("a response", sender.send_request(request.unwrap())).await;
            assert!(response.unwrap().status().is_success());
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
    drop(first);
    within("the server to end", served).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn axum_serves_a_unix_socket_with_connect_info() {
    let path = path();
    let (draining, drained) = Listener::bind(path.as_path())
        .unwrap()
        .drain_when(std::future::pending());
    let refused = Listener::bind(path.with_extension("other"))
        .unwrap()
        .drain_when(std::future::pending());
    assert!(refused.0.into_axum().is_err(), "a unix socket has no IP address");
    let app = Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<PeerAddress>| async move { format!("peer {peer} end") }),
    );
    let app = app.into_make_service_with_connect_info::<PeerAddress>();
    tokio::spawn(
        axum::serve(draining.into_axum_any(), app)
            .with_graceful_shutdown(drained)
            .into_future(),
    );
    let client = UnixStream::connect(&path).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/")
        .header("host", "here")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = within("a response", sender.send_request(request)).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "peer unix: end");
}

#[tokio::test]
async fn drained_resolves_when_the_listener_is_dropped() {
    let (draining, drained) = Listener::bind(any_port())
        .unwrap()
        .drain_when(std::future::pending());
    drop(draining);
    within("the end of a dropped listener", drained).await;
}
