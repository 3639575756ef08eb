//! axum-server with `Handle::graceful_shutdown` and ten seconds, as in its example.

use std::{io, net::SocketAddr, time::Duration};

use axum_server::Handle;

use crate::peers::service::{listen, router, terminated};

pub(super) async fn serve(address: SocketAddr) -> io::Result<()> {
    let handle = Handle::new();
    tokio::spawn(shut_down(handle.clone()));
    axum_server::from_tcp(listen(address)?.into_std()?)?
        .handle(handle)
        .serve(router().into_make_service())
        .await
}

async fn shut_down(handle: Handle<SocketAddr>) {
    terminated().await;
    handle.graceful_shutdown(Some(Duration::from_secs(10)));
}
