//! campanile-server, which handles signals, drain and listener itself.

use std::{io, net::SocketAddr, time::Duration};

use campanile_listen::Bind;
use campanile_server::Server;

use crate::peers::{BACKLOG, service::router};

pub(super) async fn serve(address: SocketAddr, drain_time: Duration) -> io::Result<()> {
    let report = Server::new(router())
        .bind_with(Bind::new(address).with_backlog(BACKLOG))
        .drain_time(drain_time)
        .run()
        .await
        .map_err(io::Error::other)?;
    // Aborted requests are lost, even if no client noticed.
    if report.was_cut() {
        return Err(io::Error::other("requests were aborted"));
    }
    Ok(())
}
