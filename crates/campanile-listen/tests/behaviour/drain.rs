//! Servers that only know how to stop accepting, over a listener that drains.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use campanile_listen::{Bind, Drained, Draining, Listener, PeerAddress};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::transport::Server;

use crate::closing::{any_port, path};
use crate::support::{connect, eventually, read_to, recorder, send, within};

/// The clients that wait in the queue at the signal.
const WAITING: usize = 100;

/// After the signal each waits so long before it asks, as one does whose packets take their time.
const HESITATION: Duration = Duration::from_millis(100);

struct Listening {
    address: SocketAddr,
    signal: oneshot::Sender<()>,
    draining: Draining,
    drained: Drained,
}

/// A listener of whose clients all but one wait in the queue.
fn listen() -> Listening {
    let bind = Bind::new(any_port())
        .with_recorder(recorder())
        .with_connection_limit(1);
    let listener = bind.bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let (signal, signalled) = oneshot::channel();
    let (draining, drained) = listener.drain_when(async {
        let _ = signalled.await;
    });
    Listening {
        address,
        signal,
        draining,
        drained,
    }
}

async fn waiting(address: SocketAddr) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for _ in 0..WAITING {
        clients.push(connect(address).await);
    }
    clients
}

#[tokio::test]
async fn axum_serves_whoever_waited_at_the_signal_and_ends() {
    let Listening {
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

    let mut asking = JoinSet::new();
    let clients = waiting(address).await;
    signal.send(()).unwrap();
    for mut client in clients {
        asking.spawn(async move {
            tokio::time::sleep(HESITATION).await;
            send(&mut client, "GET / HTTP/1.1").await;
            let answer = read_to(&mut client, " end").await;
            assert!(
                answer.ends_with(&format!("peer {} end", client.local_addr().unwrap())),
                "{answer}"
            );
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    within("the server to end", served).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn tonic_serves_whoever_waited_at_the_signal_and_ends() {
    let Listening {
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
    // It is accepted when it has the only place.
    eventually("the first client to be accepted", || {
        let length = crate::limit::kernel_queue(address);
        (length == Some(0))
            .then_some(())
            .ok_or_else(|| format!("the queue holds {length:?}"))
    })
    .await;

    let mut asking = JoinSet::new();
    let clients = waiting(address).await;
    signal.send(()).unwrap();
    for client in clients {
        asking.spawn(async move {
            tokio::time::sleep(HESITATION).await;
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client));
            let (mut sender, connection) = within("the HTTP/2 handshake", handshake).await.unwrap();
            tokio::spawn(connection);
            let request = http::Request::post(format!("http://{address}/p.S/M")).body(Empty::<Bytes>::new());
            let response = within("an answer", sender.send_request(request.unwrap())).await;
            assert!(response.unwrap().status().is_success());
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    drop(first);
    within("the server to end", served).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn axum_serves_a_unix_socket_and_knows_its_peer() {
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
    let response = within("an answer", sender.send_request(request)).await.unwrap();
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
    within("the end of a listener that is gone", drained).await;
}
