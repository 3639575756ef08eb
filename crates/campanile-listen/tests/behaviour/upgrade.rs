//! Connections that leave HTTP/1.

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
    // An ordinary request first: the upgrade comes on a connection that has been in use.
    send(&mut client, "GET / HTTP/1.1").await;
    read_to(&mut client, "ok").await;
    assert_eq!(server.seen.value(UPGRADED), Some(0.0));

    send(
        &mut client,
        "GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo",
    )
    .await;
    assert!(read_to(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    client.write_all(b"hello").await.unwrap();
    read_to(&mut client, "hello").await;
    assert_eq!(server.seen.value(UPGRADED), Some(1.0));
    assert_eq!(server.seen.value(&server.series(OPEN)), Some(1.0));

    drop(client);
    server.seen.until(UPGRADED, 0.0).await;
    server.seen.until(&server.series(OPEN), 0.0).await;
    server.seen.until(&server.closed("done"), 1.0).await;
    assert_eq!(server.seen.highest(UPGRADED), 1.0);
}

#[tokio::test]
async fn silent_client_is_counted_too() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(
        &mut client,
        "GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo",
    )
    .await;
    server.seen.until(UPGRADED, 1.0).await;
    drop(client);
    server.seen.until(UPGRADED, 0.0).await;
}

#[tokio::test]
async fn upgrade_pipelined_behind_another_request_is_counted() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    let first = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
    send(
        &mut client,
        &format!("{first}GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo"),
    )
    .await;
    server.seen.until(UPGRADED, 1.0).await;
    drop(client);
    server.seen.until(UPGRADED, 0.0).await;
}

#[tokio::test]
async fn tunnel_by_connect_is_counted() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "CONNECT example.org:443 HTTP/1.1").await;
    assert!(read_to(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    client.write_all(b"hello").await.unwrap();
    read_to(&mut client, "hello").await;
    assert_eq!(server.seen.value(UPGRADED), Some(1.0));
    drop(client);
    server.seen.until(UPGRADED, 0.0).await;
}

#[tokio::test]
async fn body_that_looks_like_an_upgrade_is_none() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "GET /stream HTTP/1.1").await;
    read_to(&mut client, "\r\n\r\n").await;
    // Each piece is a write of its own, since the one before it has arrived already.
    for piece in ["1234567890", "HTTP/1.1 101 Switching", "ok\r\n\r\nok"] {
        server.pieces.send(piece).unwrap();
        read_to(&mut client, piece).await;
    }
    send(&mut client, "GET / HTTP/1.1").await;
    read_to(&mut client, "\r\n\r\nok").await;
    assert_eq!(server.seen.highest(UPGRADED), 0.0);
}

#[tokio::test]
async fn connection_that_does_not_begin_with_http_is_never_taken_for_upgraded() {
    let seen = recorder();
    let connections = Connections::new("here").with_recorder(seen);
    let (near, mut far) = tokio::io::duplex(1024);
    let mut io = connections.wrap(near);
    // As TLS below or HTTP/2 would: the first bytes are no status line, later ones may be anything.
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
    assert_eq!(seen.highest(UPGRADED), 0.0);
}

#[test]
fn who_knows_better_says_so_once() {
    let seen = recorder();
    let connections = Connections::new("here").with_recorder(seen);
    let io = connections.wrap(());
    let control = io.control();
    control.upgraded();
    control.clone().upgraded();
    assert!(control.is_upgraded());
    assert_eq!(seen.value(UPGRADED), Some(1.0));
    drop(io);
    assert_eq!(seen.value(UPGRADED), Some(0.0));
    control.upgraded();
    assert_eq!(
        seen.value(UPGRADED),
        Some(0.0),
        "after the end nothing is counted"
    );

    let io = connections.wrap(());
    let control = io.control();
    drop(io);
    control.upgraded();
    assert_eq!(
        seen.value(UPGRADED),
        Some(0.0),
        "nor after an end without upgrade"
    );
}
