//! The gauge of open connections.

use campanile_listen::{Connections, ListenerLabel, METRICS};
use std::path::Path;

use crate::server::Server;
use crate::support::{connect, read_to, recorder, send};

const OPEN: &str = "http_server_open_connections";

#[tokio::test]
async fn gauge_rises_with_each_connection_and_falls_to_zero() {
    let server = Server::start(None).await;
    let open = server.series(OPEN);
    let mut clients = Vec::new();
    for n in 1..=3 {
        let mut client = connect(server.address).await;
        send(&mut client, "GET / HTTP/1.1").await;
        read_to(&mut client, "ok").await;
        clients.push(client);
        assert_eq!(server.metrics.value(&open), Some(f64::from(n)));
        assert_eq!(server.connections.open(), n as usize);
    }
    clients.pop();
    server.metrics.until(&open, 2.0).await;
    clients.clear();
    server.metrics.until(&open, 0.0).await;
    server.metrics.until(&server.closed("done"), 3.0).await;
    assert_eq!(server.connections.open(), 0);
    assert_eq!(
        server
            .metrics
            .value(&server.series("http_server_connection_limit")),
        None
    );
}

#[tokio::test]
async fn gauge_falls_when_the_handler_panics() {
    let server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "GET /boom HTTP/1.1").await;
    server.metrics.until(&server.closed("done"), 1.0).await;
    server.metrics.until(&server.series(OPEN), 0.0).await;
}

#[tokio::test]
async fn gauge_falls_when_the_task_is_aborted() {
    let mut server = Server::start(None).await;
    let mut client = connect(server.address).await;
    send(&mut client, "GET /hang HTTP/1.1").await;
    let task = server.tasks.recv().await.unwrap();
    server.metrics.until(&server.series(OPEN), 1.0).await;
    task.abort();
    server.metrics.until(&server.series(OPEN), 0.0).await;
}

#[test]
fn series_are_zero_before_the_first_connection() {
    let metrics = recorder();
    let connections = Connections::new("here").with_recorder(metrics).with_limit(7);
    assert_eq!(
        metrics.value("http_server_open_connections{listener=here}"),
        None,
        "construction registers nothing"
    );
    drop(futures_util::FutureExt::now_or_never(connections.ready()).unwrap());
    assert_eq!(
        metrics.value("http_server_open_connections{listener=here}"),
        Some(0.0)
    );
    assert_eq!(
        metrics.value("http_server_connection_limit{listener=here}"),
        Some(7.0)
    );
    for close in ["done", "error", "drained", "cut"] {
        let series = format!("http_server_connections_total{{close={close},listener=here}}");
        assert_eq!(metrics.value(&series), Some(0.0), "{series}");
    }
}

#[test]
fn labels_are_the_listen_addresses() {
    let label = |text: &str| ListenerLabel::from(text.parse::<std::net::SocketAddr>().unwrap()).to_string();
    assert_eq!(label("127.0.0.1:8080"), "127.0.0.1:8080");
    assert_eq!(label("[::1]:8080"), "[::1]:8080");
    assert_eq!(
        ListenerLabel::from(Path::new("/run/app.sock")).as_str(),
        "unix:/run/app.sock"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn labels_of_unix_addresses_are_path_or_abstract_name() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let label = |address: SocketAddr| ListenerLabel::from(address).to_string();
    assert_eq!(
        label(SocketAddr::from_pathname("/run/app.sock").unwrap()),
        "unix:/run/app.sock"
    );
    assert_eq!(label(SocketAddr::from_abstract_name("app").unwrap()), "unix:@app");
}

#[test]
fn every_metric_is_described_to_the_recorder() {
    let metrics = recorder();
    let connections = Connections::new("here").with_recorder(metrics).with_limit(1);
    drop(connections.wrap(()));
    connections.accept_failed(&std::io::Error::other("an error"));
    for metric in METRICS {
        assert_eq!(metrics.described()[metric.name()], metric.kind().as_str());
    }
    assert_eq!(METRICS.len(), metrics.described().len());
}
