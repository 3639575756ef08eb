//! The connection limit: further clients wait in the kernel's accept queue.

use std::net::SocketAddr;

use campanile_listen::Connections;
use futures_util::FutureExt;
use tokio::net::TcpStream;

use crate::server::Server;
use crate::support::{TestRecorder, connect, eventually, read_to, recorder, send, within};

const LIMIT: usize = 3;
const CLIENTS: usize = LIMIT + 5;

#[tokio::test]
async fn clients_beyond_the_limit_of_a_hyper_loop_wait_in_the_kernel() {
    let server = Server::start(Some(LIMIT)).await;
    clients_beyond_the_limit_wait_in_the_kernel(server.address, server.metrics, &server.connections).await;
}

/// For any server that responds `ok` and keeps connections alive.
pub(crate) async fn clients_beyond_the_limit_wait_in_the_kernel(
    address: SocketAddr,
    metrics: &TestRecorder,
    connections: &Connections,
) {
    let open = format!("http_server_open_connections{{listener={address}}}");
    let mut clients: Vec<TcpStream> = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(address).await;
        send(&mut client, "GET / HTTP/1.1").await;
        clients.push(client);
    }
    for client in &mut clients[..LIMIT] {
        read_to(client, "ok").await;
    }
    // Each disconnect lets exactly one client in, in queue order.
    for served in LIMIT..CLIENTS {
        kernel_queue_becomes(address, CLIENTS - served).await;
        assert_eq!(metrics.value(&open), Some(LIMIT as f64));
        for waiting in &clients[LIMIT..] {
            let nothing = waiting.try_read(&mut [0; 64]).map_err(|error| error.kind());
            assert_eq!(
                nothing,
                Err(std::io::ErrorKind::WouldBlock),
                "a client beyond the limit got a response"
            );
        }
        drop(clients.remove(0));
        read_to(&mut clients[LIMIT - 1], "ok").await;
    }
    kernel_queue_becomes(address, 0).await;
    drop(clients);
    metrics.until(&open, 0.0).await;
    assert_eq!(metrics.highest(&open), LIMIT as f64);
    let limit = format!("http_server_connection_limit{{listener={address}}}");
    assert_eq!(
        metrics.value(&limit),
        connections.limit().map(|limit| limit as f64)
    );
}

#[tokio::test]
async fn permit_of_a_dropped_wait_goes_to_the_next() {
    let connections = Connections::new("here").with_recorder(recorder()).with_limit(1);
    drop(connections.ready().await);
    let io = connections.ready().await.wrap(());
    let mut dropped = Box::pin(connections.ready());
    assert!(
        dropped.as_mut().now_or_never().is_none(),
        "a second permit of a limit of 1"
    );
    let mut next = Box::pin(connections.ready());
    assert!(next.as_mut().now_or_never().is_none());
    drop(dropped);
    drop(io);
    within("the next permit", next).await.wrap(());
}

#[tokio::test]
async fn lifted_limit_admits_all() {
    let connections = Connections::new("here").with_recorder(recorder()).with_limit(1);
    let _io = connections.ready().await.wrap(());
    let mut wait = Box::pin(connections.ready());
    assert!(wait.as_mut().now_or_never().is_none());
    connections.lift_limit();
    let _second = within("the pending permit", wait).await.wrap(());
    let _third = within("another permit", connections.ready()).await.wrap(());
    assert_eq!(connections.open(), 3);
}

#[test]
fn connection_wrapped_without_a_permit_is_counted_beyond_the_limit() {
    let metrics = recorder();
    let connections = Connections::new("here").with_recorder(metrics).with_limit(1);
    let _ios = [connections.wrap(()), connections.wrap(())];
    assert_eq!(
        metrics.value("http_server_open_connections{listener=here}"),
        Some(2.0)
    );
    assert!(connections.ready().now_or_never().is_some());
}

#[test]
fn limit_of_zero_admits_none() {
    let connections = Connections::new("here").with_recorder(recorder()).with_limit(0);
    assert!(connections.ready().now_or_never().is_none());
    connections.lift_limit();
    assert!(connections.ready().now_or_never().is_some());
}

#[cfg(target_os = "linux")]
async fn kernel_queue_becomes(address: SocketAddr, expected: usize) {
    eventually(format_args!("{expected} connections in the accept queue"), || {
        let length = kernel_queue(address);
        (length == Some(expected))
            .then_some(())
            .ok_or_else(|| format!("there are {length:?}"))
    })
    .await;
}

/// Returns the length of the listener's accept queue, `rx_queue` in /proc/net/tcp.
#[cfg(target_os = "linux")]
pub(crate) fn kernel_queue(address: SocketAddr) -> Option<usize> {
    const LISTEN: &str = "0A";
    let port = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|row| {
        let fields: Vec<_> = row.split_whitespace().collect();
        let listener = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTEN;
        listener.then(|| usize::from_str_radix(fields[4].split_once(':')?.1, 16).ok())?
    })
}

#[cfg(not(target_os = "linux"))]
async fn kernel_queue_becomes(_address: SocketAddr, _expected: usize) {}
