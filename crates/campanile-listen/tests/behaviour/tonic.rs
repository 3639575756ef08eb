//! `CountedIncoming` under tonic's server.

use std::convert::Infallible;

use bytes::Bytes;
use campanile_listen::Connections;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::support::{connect, recorder, within};

#[tokio::test]
async fn remote_address_is_kept_and_the_connection_is_counted() {
    let metrics = recorder();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::new(address).with_recorder(metrics).with_limit(5);
    let service = tower::service_fn(|request: http::Request<Body>| async move {
        // As `tonic::Request::remote_addr` does.
        let peer = request
            .extensions()
            .get::<TcpConnectInfo>()
            .unwrap()
            .remote_addr()
            .unwrap();
        let response = http::Response::builder().header("x-peer", peer.to_string());
        Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
    });
    let incoming = connections.count_incoming(TcpListenerStream::new(listener));
    tokio::spawn(Server::builder().serve_with_incoming(service, incoming));

    let client = connect(address).await;
    let local = client.local_addr().unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client));
    let (mut sender, connection) = within("the HTTP/2 handshake", handshake).await.unwrap();
    tokio::spawn(connection);
    let request =
        http::Request::post(format!("http://{address}/pkg.Service/Method")).body(Empty::<Bytes>::new());
    let response = within("a response", sender.send_request(request.unwrap()))
        .await
        .unwrap();
    assert_eq!(response.headers()["x-peer"], local.to_string());

    let open = format!("http_server_open_connections{{listener={address}}}");
    assert_eq!(metrics.value(&open), Some(1.0));
    // hyper closes the connection once the sender is dropped.
    drop((sender, response));
    metrics.until(&open, 0.0).await;
    assert_eq!(
        metrics.highest("http_server_upgraded_connections"),
        0.0,
        "HTTP/2 is not an upgrade"
    );
}

#[tokio::test]
async fn connect_info_of_the_wrapped_io_is_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = connect(address).await;
    let io = Connections::new(address).with_recorder(recorder()).wrap(client);
    assert_eq!(io.connect_info().remote_addr(), Some(address));
    assert_eq!(io.connect_info().local_addr(), io.get_ref().local_addr().ok());
}
