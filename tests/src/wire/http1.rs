//! HTTP/1.1, written byte by byte.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

use super::{Answer, Ask};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub trait Socket: Read + Write + Send {}

impl<S: Read + Write + Send> Socket for S {}

/// Connects to `127.0.0.1:PORT` or `unix:/path`, with a bound on each read.
///
/// # Errors
///
/// If nobody listens there.
pub fn connect(address: &str) -> io::Result<Box<dyn Socket>> {
    match address.strip_prefix("unix:") {
        Some(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(Box::new(stream))
        }
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(Box::new(stream))
        }
    }
}

/// Reads the head of an answer from a connection and nothing of what follows.
///
/// # Panics
///
/// If it does not come whole, within half a minute.
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

pub(super) fn ask(ask: &Ask, address: &str) -> Answer {
    let mut stream = connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
    let mut bytes = format!(
        "{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n",
        ask.method, ask.path
    )
    .into_bytes();
    for (name, value) in &ask.fields {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    if !ask.body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", ask.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&ask.body);
    // A server that refuses a head may close before it has read all of it; what counts is what it says.
    let _ = stream.write_all(&bytes);
    let mut raw = Vec::new();
    if let Err(error) = stream.read_to_end(&mut raw) {
        // A close with bytes of ours unread resets the connection, after its answer.
        assert!(
            error.kind() == io::ErrorKind::ConnectionReset && !raw.is_empty(),
            "no answer to {ask:?}: {error}"
        );
    }
    parse(&raw).unwrap_or_else(|| panic!("no answer to {ask:?}: {}", raw.escape_ascii()))
}

fn parse(raw: &[u8]) -> Option<Answer> {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = raw[..end].split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let fields: Vec<_> = lines.map(field).collect::<Option<_>>()?;
    let body = &raw[end + 4..];
    let chunked = fields
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == b"chunked");
    let body = if chunked { unchunk(body)? } else { body.to_vec() };
    Some(Answer { status, fields, body })
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(line[..colon].to_vec()).ok()?;
    Some((name, line[colon + 1..].trim_ascii().to_vec()))
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}
