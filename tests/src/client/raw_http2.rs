//! HTTP/2 written byte by byte, for requests that no client library sends.

use std::io::{Read, Write};

use super::socket::connect;

/// How a server reacts to a request on stream 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2Reaction {
    /// It sends response headers.
    Headers,
    /// It resets the stream with this error code.
    Reset(u32),
    /// It sends GOAWAY with this error code.
    GoAway(u32),
    /// It closes the connection without GOAWAY.
    Closed,
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Sends `GET path` with one header whose bytes are not checked, and returns the reaction of the server.
///
/// # Panics
///
/// Without a connection, or a reaction within half a minute.
#[must_use]
pub fn send_raw_header(address: &str, path: &str, name: &str, value: &[u8]) -> Http2Reaction {
    let mut stream = connect(address).expect("the server listens");
    // Indexed: GET, http. Literals without indexing: path, authority, the header.
    let mut block = vec![0x82, 0x86, 0x04];
    string(&mut block, path.as_bytes());
    block.push(0x01);
    string(&mut block, b"test");
    block.push(0x00);
    string(&mut block, name.as_bytes());
    string(&mut block, value);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    // END_STREAM and END_HEADERS.
    frame(&mut bytes, HEADERS, 0x5, 1, &block);
    stream.write_all(&bytes).expect("the server reads");
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return Http2Reaction::Closed;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).expect("a whole frame");
        let error_code = |at: usize| {
            let code = payload.get(at..at + 4).and_then(|four| four.try_into().ok());
            u32::from_be_bytes(code.expect("an error code has four bytes"))
        };
        match head[3] {
            HEADERS => return Http2Reaction::Headers,
            RST_STREAM => return Http2Reaction::Reset(error_code(0)),
            GOAWAY => return Http2Reaction::GoAway(error_code(4)),
            _ => {}
        }
    }
}

/// Writes an HPACK string without Huffman coding; at most 126 bytes.
fn string(block: &mut Vec<u8>, text: &[u8]) {
    block.push(
        u8::try_from(text.len())
            .ok()
            .filter(|length| *length < 127)
            .expect("a short string"),
    );
    block.extend_from_slice(text);
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    bytes.extend_from_slice(&length[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}
