//! `CountedListener` under `axum::serve`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use campanile_listen::Connections;
use tokio::net::TcpListener;

use crate::limit::clients_beyond_the_limit_wait_in_the_kernel;
use crate::support::{connect, read_to, recorder, send};

#[tokio::test]
async fn connect_info_is_kept() {
    let metrics = recorder();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::new(address).with_recorder(metrics);
    let app = Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("peer {peer} end") }),
    );
    let served = axum::serve(
        connections.count_listener(listener),
        app.into_make_service_with_connect_info::<SocketAddr>(),
    );
    tokio::spawn(served.into_future());

    let mut client = connect(address).await;
    send(&mut client, "GET / HTTP/1.1").await;
    let response = read_to(&mut client, " end").await;
    assert!(
        response.ends_with(&format!("\r\n\r\npeer {} end", client.local_addr().unwrap())),
        "{response}"
    );
    drop(client);
    metrics
        .until(
            &format!("http_server_connections_total{{close=done,listener={address}}}"),
            1.0,
        )
        .await;
    metrics
        .until(
            &format!("http_server_open_connections{{listener={address}}}"),
            0.0,
        )
        .await;
}

#[tokio::test]
async fn clients_beyond_the_limit_of_axum_wait_in_the_kernel() {
    let metrics = recorder();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::new(address).with_recorder(metrics).with_limit(3);
    let app = Router::new().route("/", get(|| async { "ok" }));
    tokio::spawn(axum::serve(connections.count_listener(listener), app).into_future());
    clients_beyond_the_limit_wait_in_the_kernel(address, metrics, &connections).await;
}

#[cfg(unix)]
#[tokio::test]
async fn label_of_a_unix_listener_is_its_path() {
    let path = std::env::temp_dir().join(format!("campanile-listen-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let metrics = recorder();
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let connections = Connections::new(listener.local_addr().unwrap()).with_recorder(metrics);
    tokio::spawn(axum::serve(connections.count_listener(listener), Router::new()).into_future());
    let client = tokio::net::UnixStream::connect(&path).await.unwrap();
    let open = format!("http_server_open_connections{{listener=unix:{}}}", path.display());
    metrics.until(&open, 1.0).await;
    drop(client);
    metrics.until(&open, 0.0).await;
    std::fs::remove_file(&path).unwrap();
}
