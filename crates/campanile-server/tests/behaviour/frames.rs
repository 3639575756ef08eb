//! An HTTP/2 client that sends and reads raw frames.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Running, within};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const CANCEL: u32 = 8;

/// A setting of the client: `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(crate) const INITIAL_WINDOW: u16 = 4;

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & 1 != 0
    }

    /// Returns the error code of a RST_STREAM.
    pub(crate) fn reset_code(&self) -> Option<u32> {
        let code = self.payload.as_slice().try_into().map(u32::from_be_bytes);
        (self.kind == RST_STREAM).then_some(code.unwrap())
    }
}

/// Never acknowledges a PING, and opens no window by itself.
pub(crate) struct Frames {
    pub(crate) io: TcpStream,
    unread: Vec<u8>,
}

impl Frames {
    pub(crate) async fn connect(running: &Running, settings: &[(u16, u32)]) -> Self {
        Self::new(TcpStream::connect(running.address).await.unwrap(), settings).await
    }

    pub(crate) async fn new(io: TcpStream, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self {
            io,
            unread: Vec::new(),
        };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        frames.io.write_all(preface).await.unwrap();
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        frames.send(SETTINGS, 0, 0, &payload).await.unwrap();
        frames.send(SETTINGS, 1, 0, &[]).await.unwrap();
        frames
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.io.write_all(&frame).await
    }

    /// Requests a path; its body goes on if `flags` lack END_STREAM.
    pub(crate) async fn request(&mut self, stream: u32, method: u8, path: &str, flags: u8) {
        let mut head = vec![method, 0x86, 0x04, path.len() as u8];
        head.extend(path.as_bytes());
        head.extend([0x01, 1, b'a']);
        self.send(HEADERS, flags | 4, stream, &head).await.unwrap();
    }

    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        self.request(stream, 0x82, path, 1).await;
    }

    pub(crate) async fn open_window(&mut self, stream: u32, bytes: u32) -> io::Result<()> {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await
    }

    pub(crate) async fn ping(&mut self) -> io::Result<()> {
        self.send(PING, 0, 0, b"campanil").await
    }

    /// Reads a frame; `None` once the connection has ended. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((head, rest)) = self.unread.split_at_checked(9) {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if rest.len() >= length {
                    let frame = Frame {
                        kind: head[3],
                        flags: head[4],
                        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                        payload: rest[..length].to_vec(),
                    };
                    self.unread.drain(..9 + length);
                    return Some(frame);
                }
            }
            if !matches!(self.io.read_buf(&mut self.unread).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// Reads until a frame is as expected.
    pub(crate) async fn until(&mut self, what: &str, expected: impl Fn(&Frame) -> bool) -> Frame {
        let reading = async {
            loop {
                let frame = self
                    .next()
                    .await
                    .unwrap_or_else(|| panic!("closed before {what}"));
                if expected(&frame) {
                    return frame;
                }
            }
        };
        within(what, reading).await
    }

    /// Reads the head of a stream's response.
    pub(crate) async fn head(&mut self, stream: u32) -> Frame {
        self.until("a head", |frame| frame.kind == HEADERS && frame.stream == stream)
            .await
    }

    /// Reads to the end of the connection.
    pub(crate) async fn end(&mut self) {
        within("the end", async { while self.next().await.is_some() {} }).await;
    }
}
