//! campanile-server, by its manual: the signals, the drain and the close of the listener are its own.

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
    // What had to be cut was lost, whoever may not have noticed.
    if report.was_cut() {
        return Err(io::Error::other("something was cut"));
    }
    Ok(())
}
