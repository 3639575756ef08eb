//! `axum::serve` with `with_graceful_shutdown`.

use std::{io, net::SocketAddr};

use crate::peers::service::{listen, router, terminated};

pub(super) async fn serve(address: SocketAddr) -> io::Result<()> {
    axum::serve(listen(address)?, router())
        .with_graceful_shutdown(terminated())
        .await
}
