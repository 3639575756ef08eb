//! The layers as people apply them: to routers, around routers, twice, and over many connections.

mod applied;
mod limit;

use std::net::SocketAddr;

use axum::Router;
use campanile_tests::{
    client::{Ask, Head, Http1},
    wait::within,
};
use tokio::net::TcpListener;

/// Serves a router as the README of axum does: without `into_make_service`.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

/// Asks on a connection of its own, and reads the whole answer.
async fn ask(address: SocketAddr, ask: &Ask) -> Head {
    let mut connection = Http1::connect(address).await.unwrap();
    ask_on(&mut connection, ask).await
}

async fn ask_on(connection: &mut Http1, ask: &Ask) -> Head {
    connection.send(ask, "id", "").await.unwrap();
    let head = within(ask.path, connection.head()).await.unwrap();
    within("its body", connection.body(&head, ask.method))
        .await
        .unwrap();
    head
}
