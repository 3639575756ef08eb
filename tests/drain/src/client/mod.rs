//! Clients that know exactly what came of a request, and repeat none.
//!
//! Nothing here chooses a port: each server that is stopped has a port of its own, so that all ephemeral ports are free
//! for it, whatever connections to servers before it are left in TIME_WAIT.

pub mod h1;
pub mod h2;

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use tokio::net::TcpStream;

use crate::{
    fate::{Fate, Loss},
    order::{Order, Orders},
};

/// Connects once. Without a connection, tells what came of the request that it was for.
async fn connect(address: SocketAddr, orders: &Orders) -> Result<TcpStream, Fate> {
    let connected = tokio::select! {
        biased;
        connected = TcpStream::connect(address) => connected,
        // Where a server is gone its SYNs stay unanswered, or will be refused.
        () = orders.until(Order::Finish) => return Err(Fate::Refused),
    };
    let stream = connected.map_err(|error| unconnected(&error))?;
    // Without it, a request in two writes would wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn unconnected(error: &io::Error) -> Fate {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::TimedOut => Fate::Refused,
        // The kernel says "refused" of a handshake that did not come to its end, and "reset" of one that did.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Fate::Lost(Loss::ResetBeforeAnswer),
        _ => Fate::Unsent,
    }
}
