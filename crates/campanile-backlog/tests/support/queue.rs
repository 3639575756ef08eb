//! Listeners with a limit, clients that fill their queues, and the output of `ss`.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::namespace::run;

pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Binds a listener with this limit.
pub fn listen(address: &str, limit: i32) -> Socket {
    listen_with(address, limit, false)
}

/// Binds a listener whose port can be shared.
pub fn listen_sharing_port(address: &str, limit: i32) -> Socket {
    listen_with(address, limit, true)
}

fn listen_with(address: &str, limit: i32, share_port: bool) -> Socket {
    let address: SocketAddr = address.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_reuse_port(share_port).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(limit).unwrap();
    socket
}

pub fn listen_unix(path: &Path, limit: i32) -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
    socket.listen(limit).unwrap();
    socket
}

/// Starts to connect without waiting, since a full queue would block.
pub fn connect(listener: &Socket) -> Socket {
    let address = listener.local_addr().unwrap();
    let client = Socket::new(address.domain(), Type::STREAM, None).unwrap();
    client.set_nonblocking(true).unwrap();
    // In progress for TCP; an error for a full unix queue.
    let _ = client.connect(&address);
    client
}

pub fn connect_some(listener: &Socket, count: usize) -> Vec<Socket> {
    (0..count).map(|_| connect(listener)).collect()
}

/// Returns length and limit of a TCP listener's queue from `ss`.
pub fn ss_tcp(listener: &Socket) -> (u32, u32) {
    let cookie = rustix::net::sockopt::socket_cookie(listener.as_fd()).unwrap();
    let text = run("ss", &["-ltnHe"]).unwrap();
    let socket = format!("sk:{cookie:x}");
    let line = text
        .lines()
        .find(|line| line.split_whitespace().any(|word| word == socket));
    columns(line.unwrap_or_else(|| panic!("no {socket} in\n{text}")))
}

/// Returns length and limit of a unix listener's queue from `ss`.
pub fn ss_unix(path: &Path) -> (u32, u32) {
    let text = run("ss", &["-lxH"]).unwrap();
    let path = path.to_str().unwrap();
    let line = text
        .lines()
        .find(|line| line.split_whitespace().any(|word| word == path));
    columns(line.unwrap_or_else(|| panic!("no {path} in\n{text}")))
}

fn columns(line: &str) -> (u32, u32) {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| *word != "LISTEN")
        .skip(1);
    let mut next = || words.next().unwrap().parse().unwrap();
    (next(), next())
}

/// Polls until `check` returns true; panics after [`TIMEOUT`].
pub fn eventually(expected: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !check() {
        assert!(Instant::now() < deadline, "timed out waiting for {expected}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
