//! HTTP/2, written byte by byte: for what no client would send.

use std::io::{Read, Write};

use super::connect;

/// What a peer does with a request on stream 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// It answers.
    Headers,
    /// It resets the stream, for this reason.
    Reset(u32),
    /// It ends the connection, for this reason.
    GoAway(u32),
    /// It closes without a word.
    Closed,
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Sends `GET path` with one header, its bytes as they are, and returns how the peer reacts.
///
/// # Panics
///
/// If there is no connection, or no reaction within half a minute.
#[must_use]
pub fn reaction_to(address: &str, path: &str, name: &str, value: &[u8]) -> Frame {
    let mut stream = connect(address).expect("somebody listens");
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
    stream.write_all(&bytes).expect("the peer reads");
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return Frame::Closed;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).expect("a frame comes whole");
        let reason = |at: usize| {
            let code = payload.get(at..at + 4).and_then(|four| four.try_into().ok());
            u32::from_be_bytes(code.expect("a reason has four bytes"))
        };
        match head[3] {
            HEADERS => return Frame::Headers,
            RST_STREAM => return Frame::Reset(reason(0)),
            GOAWAY => return Frame::GoAway(reason(4)),
            _ => {}
        }
    }
}

/// Writes a string of HPACK, not compressed, shorter than 127 bytes.
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
