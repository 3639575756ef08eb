//! Detection of upgraded connections.

use campanile_listen::Connections;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::Server;
use crate::support::{connect, read_to, recorder, send};

const UPGRADED: &str = "http_server_upgraded_connections";
const OPEN: &str = "http_server_open_connections";

#[tokio::test]
async fn upgraded_socket_is_counted_until_it_is_closed() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    // A plain request first, so that the upgrade happens on a reused connection.
    send(&mut client, "GET / HTTP/1.1").await;
    read_to(&mut client, "ok").await;
    assert_eq!(server.metrics.value(UPGRADED), Some(0.0));

    send(
        &mut client,
        "GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo",
    )
    .await;
    assert!(read_to(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    client.write_all(b"hello").await.unwrap();
    read_to(&mut client, "hello").await;
    assert_eq!(server.metrics.value(UPGRADED), Some(1.0));
    assert_eq!(server.metrics.value(&server.series(OPEN)), Some(1.0));

    drop(client);
    server.metrics.until(UPGRADED, 0.0).await;
    server.metrics.until(&server.series(OPEN), 0.0).await;
    server.metrics.until(&server.closed("done"), 1.0).await;
    assert_eq!(server.metrics.highest(UPGRADED), 1.0);
}

#[tokio::test]
async fn upgrade_of_a_silent_client_is_counted() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(
        &mut client,
        "GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo",
    )
    .await;
    server.metrics.until(UPGRADED, 1.0).await;
    drop(client);
    server.metrics.until(UPGRADED, 0.0).await;
}

#[tokio::test]
async fn pipelined_upgrade_is_counted() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    let first = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
    send(
        &mut client,
        &format!("{first}GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo"),
    )
    .await;
    server.metrics.until(UPGRADED, 1.0).await;
    drop(client);
    server.metrics.until(UPGRADED, 0.0).await;
}

#[tokio::test]
async fn connect_tunnel_is_counted() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "CONNECT example.org:443 HTTP/1.1").await;
    assert!(read_to(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    client.write_all(b"hello").await.unwrap();
    read_to(&mut client, "hello").await;
    assert_eq!(server.metrics.value(UPGRADED), Some(1.0));
    drop(client);
    server.metrics.until(UPGRADED, 0.0).await;
}

#[tokio::test]
async fn body_that_looks_like_an_upgrade_is_not_counted() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "GET /stream HTTP/1.1").await;
    read_to(&mut client, "\r\n\r\n").await;
    // Each chunk is a separate write, since the previous one has arrived.
    for chunk in ["1234567890", "HTTP/1.1 101 Switching", "ok\r\n\r\nok"] {
        server.chunks.send(chunk).unwrap();
        read_to(&mut client, chunk).await;
    }
    send(&mut client, "GET / HTTP/1.1").await;
    read_to(&mut client, "\r\n\r\nok").await;
    assert_eq!(server.metrics.highest(UPGRADED), 0.0);
}

#[tokio::test]
async fn connection_that_does_not_begin_with_http_is_not_counted() {
    let metrics = recorder();
    let connections = Connections::new("here").with_recorder(metrics);
    let (near, mut far) = tokio::io::duplex(1024);
    let mut io = connections.wrap(near);
    // Like TLS or HTTP/2: the first bytes are not a status line, later ones are arbitrary.
    io.write_all(b"\x16\x03\x01").await.unwrap();
    io.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        .await
        .unwrap();
    let io = tokio::spawn(async move {
        io.write_all(b"end").await.unwrap();
        io
    });
    let io = io.await.unwrap();
    far.read_exact(&mut [0; 5]).await.unwrap();
    assert!(!io.control().is_upgraded());
    assert_eq!(metrics.highest(UPGRADED), 0.0);
}

#[test]
fn explicit_upgrade_is_counted_once() {
    let metrics = recorder();
    let connections = Connections::new("here").with_recorder(metrics);
    let io = connections.wrap(());
    let control = io.control();
    control.set_upgraded();
    control.clone().set_upgraded();
    assert!(control.is_upgraded());
    assert_eq!(metrics.value(UPGRADED), Some(1.0));
    drop(io);
    assert_eq!(metrics.value(UPGRADED), Some(0.0));
    control.set_upgraded();
    assert_eq!(
        metrics.value(UPGRADED),
        Some(0.0),
        "an upgrade after the end is not counted"
    );

    let io = connections.wrap(());
    let control = io.control();
    drop(io);
    control.set_upgraded();
    assert_eq!(
        metrics.value(UPGRADED),
        Some(0.0),
        "nor after the end of a plain connection"
    );
}
