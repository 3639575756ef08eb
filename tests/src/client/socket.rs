//! A blocking connection to which a test writes the bytes of its requests.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

/// How long a response may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection.
pub trait Socket: Read + Write + Send {}

impl<S: Read + Write + Send> Socket for S {}

/// Connects to `127.0.0.1:PORT` or `unix:/path`; each read times out after half a minute.
///
/// # Errors
///
/// If the connection is refused.
pub fn connect(address: &str) -> io::Result<Box<dyn Socket>> {
    match address.strip_prefix("unix:") {
        Some(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            Ok(Box::new(stream))
        }
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            Ok(Box::new(stream))
        }
    }
}

/// Reads the head of a response and nothing of its body.
///
/// # Panics
///
/// If the head is not complete within half a minute.
pub fn read_head(connection: &mut dyn Socket) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let read = connection.read_exact(&mut byte);
        read.unwrap_or_else(|error| panic!("{error} after {}", head.escape_ascii()));
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Reads a response with a `Content-Length`; returns its head in lower case and its body.
///
/// # Panics
///
/// If the response is not complete within half a minute.
pub fn read_response(connection: &mut dyn Socket) -> (String, Vec<u8>) {
    let head = read_head(connection).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().expect("a length is a number"));
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("a whole body");
    (head, body)
}
