//! The label `close`: how connections ended.

use std::time::Duration;

use campanile_listen::{CloseReason, Connections};

use crate::server::Server;
use crate::support::{connect, read_to, recorder, send};

#[tokio::test]
async fn reset_by_the_client_counts_as_error() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "GET / HTTP/1.1").await;
    read_to(&mut client, "ok").await;
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    server.metrics.until(&server.closed("error"), 1.0).await;
    assert_eq!(server.metrics.value(&server.closed("done")), Some(0.0));
    server
        .metrics
        .until(&server.series("http_server_open_connections"), 0.0)
        .await;
}

#[tokio::test]
async fn close_by_either_side_counts_as_done() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "GET / HTTP/1.1").await;
    read_to(&mut client, "ok").await;
    drop(client);
    server.metrics.until(&server.closed("done"), 1.0).await;

    let mut client = connect(server.address).await;
    send(&mut client, "GET / HTTP/1.1\r\nconnection: close").await;
    read_to(&mut client, "ok").await;
    server.metrics.until(&server.closed("done"), 2.0).await;
    assert_eq!(server.metrics.value(&server.closed("error")), Some(0.0));
}

#[test]
fn most_severe_reason_is_recorded() {
    let metrics = recorder();
    let connections = Connections::new("here").with_recorder(metrics);
    let count = |close: &str| {
        metrics.value(&format!(
            "http_server_connections_total{{close={close},listener=here}}"
        ))
    };

    let io = connections.wrap(());
    io.control().set_close_reason(CloseReason::Drained);
    io.control().set_close_reason(CloseReason::Done);
    drop(io);
    assert_eq!(count("drained"), Some(1.0));

    let io = connections.wrap(());
    let control = io.control();
    control.set_close_reason(CloseReason::Cut);
    control.set_close_reason(CloseReason::Drained);
    assert!(control.is_open());
    drop(io);
    assert!(!control.is_open());
    control.set_close_reason(CloseReason::Error);
    assert_eq!(
        [count("cut"), count("error"), count("done")],
        [Some(1.0), Some(0.0), Some(0.0)]
    );
}
