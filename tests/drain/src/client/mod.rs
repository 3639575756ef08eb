//! Clients that know exactly what came of a request, and repeat none.
//!
//! Nothing here chooses a port: each server that is stopped has a port of its own, so that all ephemeral ports are free
//! for it, whatever connections to servers before it are left in TIME_WAIT.

pub mod h1;
pub mod h2;

use std::{
    io::{self, ErrorKind, Write},
    net::SocketAddr,
};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
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

/// Connects and sends in one breath: nothing else of this process comes in between, unless the handshake takes longer
/// than connect(2). Returns how many bytes are sent.
async fn connect_and_send(
    address: SocketAddr,
    bytes: &[u8],
    orders: &Orders,
) -> Result<(TcpStream, usize), Fate> {
    let (socket, sent) = begin(address, bytes).map_err(|error| unconnected(&error))?;
    let stream = TcpStream::from_std(socket.into()).map_err(|error| unconnected(&error))?;
    if sent == 0 {
        tokio::select! {
            biased;
            _ = stream.writable() => {}
            () = orders.until(Order::Finish) => return Err(Fate::Refused),
        }
        if let Ok(Some(error)) = stream.take_error() {
            return Err(unconnected(&error));
        }
    }
    Ok((stream, sent))
}

fn begin(address: SocketAddr, bytes: &[u8]) -> io::Result<(Socket, usize)> {
    let mut socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => return Err(error),
        _ => {}
    }
    match socket.write(bytes) {
        Ok(sent) => Ok((socket, sent)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok((socket, 0)),
        Err(error) => Err(error),
    }
}

fn unconnected(error: &io::Error) -> Fate {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::TimedOut => Fate::Refused,
        // The kernel says "refused" of a handshake that did not come to its end, and "reset" of one that did.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Fate::Lost(Loss::ResetBeforeAnswer),
        _ => Fate::Unsent,
    }
}
