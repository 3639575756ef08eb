//! Clients that report the exact outcome of each request, and retry none.
//!
//! Each server has a port of its own, so that connections in TIME_WAIT to earlier servers occupy no ephemeral ports.

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
    load_command::{LoadCommand, LoadCommands},
    request_outcome::{Loss, RequestOutcome},
};

/// Connects once. The error is the outcome of the pending request.
async fn connect(address: SocketAddr, commands: &LoadCommands) -> Result<TcpStream, RequestOutcome> {
    let connected = tokio::select! {
        biased;
        connected = TcpStream::connect(address) => connected,
        // A server that has exited does not accept any more.
        () = commands.wait_for(LoadCommand::Finish) => return Err(RequestOutcome::Refused),
    };
    let stream = connected.map_err(|error| unconnected(&error))?;
    // Otherwise a request in two writes would wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Connects and sends without yielding to other tasks, unless the handshake takes longer than connect(2). Returns the
/// number of sent bytes.
async fn connect_and_send(
    address: SocketAddr,
    bytes: &[u8],
    commands: &LoadCommands,
) -> Result<(TcpStream, usize), RequestOutcome> {
    let (socket, sent) = begin(address, bytes).map_err(|error| unconnected(&error))?;
    let stream = TcpStream::from_std(socket.into()).map_err(|error| unconnected(&error))?;
    if sent == 0 {
        tokio::select! {
            biased;
            _ = stream.writable() => {}
            () = commands.wait_for(LoadCommand::Finish) => return Err(RequestOutcome::Refused),
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

fn unconnected(error: &io::Error) -> RequestOutcome {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::TimedOut => RequestOutcome::Refused,
        // "Refused" means an incomplete handshake, "reset" a complete one.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => RequestOutcome::Lost(Loss::ResetBeforeResponse),
        _ => RequestOutcome::Unsent,
    }
}
