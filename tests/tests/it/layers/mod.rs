//! The layers as users apply them: on routers, around routers, twice, and over many connections.

mod composition;
mod in_flight_limit;

use std::net::SocketAddr;

use axum::Router;
use campanile_tests::{
    client::{Http1, ResponseHead, TestRequest},
    wait::within,
};
use tokio::net::TcpListener;

/// Serves a router without `into_make_service`, as in the README of axum.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

/// Sends a request on a connection of its own, and reads the whole response.
async fn send(address: SocketAddr, request: &TestRequest) -> ResponseHead {
    let mut connection = Http1::connect(address).await.unwrap();
    send_on(&mut connection, request).await
}

async fn send_on(connection: &mut Http1, request: &TestRequest) -> ResponseHead {
    connection.send(request).await.unwrap();
    let head = within(request.path(), connection.head()).await.unwrap();
    within("its body", connection.body(&head, request.method_name()))
        .await
        .unwrap();
    head
}
