//! What the Rust peers have in common: the handler, the listener, the signal.

use std::{io, net::SocketAddr};

use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
};

use crate::peers::{BACKLOG, HANDLER};

/// What everybody answers.
pub(super) const BODY: &str = "ok";

/// Takes a moment.
pub(super) async fn handle() -> &'static str {
    tokio::time::sleep(HANDLER).await;
    BODY
}

/// The application.
pub(super) fn router() -> axum::Router {
    axum::Router::new().route("/", axum::routing::get(handle))
}

/// Binds with the backlog of all.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Ends when the process is told to end.
pub(super) async fn terminated() {
    signal(SignalKind::terminate())
        .expect("a process may catch TERM")
        .recv()
        .await;
}
