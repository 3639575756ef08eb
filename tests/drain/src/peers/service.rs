//! The handler, the listener and the signal of the Rust peers.

use std::{io, net::SocketAddr};

use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
};

use crate::peers::{BACKLOG, HANDLER_TIME};

/// The response body.
pub(super) const BODY: &str = "ok";

/// Responds after [`HANDLER_TIME`].
pub(super) async fn handle() -> &'static str {
    tokio::time::sleep(HANDLER_TIME).await;
    BODY
}

/// The application.
pub(super) fn router() -> axum::Router {
    axum::Router::new().route("/", axum::routing::get(handle))
}

/// Binds with [`BACKLOG`].
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Waits for TERM.
pub(super) async fn terminated() {
    signal(SignalKind::terminate())
        .expect("a process may catch TERM")
        .recv()
        .await;
}
