//! An HTTP/2 connection with several streams, and the truth about each.
//!
//! Frames are read by hand: the `h2` crate does not tell GOAWAY's last id, and gives the error of a GOAWAY also to requests
//! that it never sent. What is needed of the protocol is little: requests without a body, or gRPC's of five bytes; of an
//! answer its status, where it ends, and nothing of its other headers.

use std::{collections::BTreeMap, io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::connect,
    fate::{Fate, Loss},
    order::Orders,
};

/// The preface, SETTINGS without push, and a window for all the answers that a connection may live to see.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\
    \x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\x00\x00\x00";
const FRAME_HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const REFUSED_STREAM: u32 = 7;
/// `:status: 200` in HPACK's static table, which every encoder uses.
const STATUS_200: u8 = 0x88;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "what the peers serve, no more")]
pub enum Ask {
    /// `GET /`.
    Get,
    /// The unary call `/drain.Echo/Echo` with an empty message.
    Grpc,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    ask: Ask,
    authority: String,
    buffer: Vec<u8>,
    next_id: u32,
    /// Streams without an end, by id.
    open: BTreeMap<u32, Progress>,
    /// GOAWAY's last id.
    last_id: Option<u32>,
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Nothing,
    Good,
    /// Another status than 200.
    Bad,
}

impl Connection {
    /// Connects and begins, without waiting for the server's settings.
    ///
    /// # Errors
    ///
    /// Without a connection, what came of the request that it was for.
    pub async fn open(address: SocketAddr, ask: Ask, orders: &Orders) -> Result<Self, Fate> {
        let mut connection = Self {
            stream: connect(address, orders).await?,
            ask,
            authority: address.to_string(),
            buffer: Vec::new(),
            next_id: 1,
            open: BTreeMap::new(),
            last_id: None,
            over: false,
        };
        connection.write(BEGIN).await;
        Ok(connection)
    }

    /// Tells whether another request may be sent.
    #[must_use]
    pub fn takes_more(&self) -> bool {
        self.last_id.is_none() && !self.over
    }

    /// Tells whether nothing more can come of it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.over || (self.last_id.is_some() && self.open.is_empty())
    }

    /// Returns how many streams have no end yet.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.open.len()
    }

    /// Sends a request on a stream of its own.
    pub async fn ask(&mut self) {
        let id = self.next_id;
        self.next_id += 2;
        self.open.insert(id, Progress::Nothing);
        let mut frames = Vec::with_capacity(128);
        match self.ask {
            Ask::Get => frame(HEADERS, END_HEADERS | END_STREAM, id, &self.head(), &mut frames),
            Ask::Grpc => {
                frame(HEADERS, END_HEADERS, id, &self.head(), &mut frames);
                frame(DATA, END_STREAM, id, &[0; 5], &mut frames);
            }
        }
        self.write(&frames).await;
    }

    /// Waits for what comes next, and returns the fates that it decided. May be dropped at any time.
    pub async fn next(&mut self) -> Vec<Fate> {
        let mut fates = Vec::new();
        let reset = match self.stream.read_buf(&mut self.buffer).await {
            Ok(1..) => {
                self.take_frames(&mut fates).await;
                return fates;
            }
            ended => ended.is_err(),
        };
        self.over = true;
        for (_, progress) in std::mem::take(&mut self.open) {
            fates.push(Fate::Lost(match (progress, reset) {
                (Progress::Nothing, true) => Loss::ResetBeforeAnswer,
                (Progress::Nothing, false) => Loss::ClosedBeforeAnswer,
                (_, true) => Loss::ResetInAnswer,
                (_, false) => Loss::ClosedInAnswer,
            }));
        }
        fates
    }

    async fn take_frames(&mut self, fates: &mut Vec<Fate>) {
        let mut read = std::mem::take(&mut self.buffer);
        let mut taken = 0;
        while let Some((head, payload)) = split_frame(&read[taken..]) {
            let (kind, flags) = (head[3], head[4]);
            let id = number(&head[5..]) & 0x7fff_ffff;
            taken += FRAME_HEAD + payload.len();
            match kind {
                DATA | HEADERS => fates.extend(self.advance(id, kind, flags, payload)),
                RST_STREAM => fates.extend(self.open.remove(&id).map(|_| match number(payload) {
                    REFUSED_STREAM => Fate::AboveGoaway,
                    _ => Fate::Lost(Loss::StreamReset),
                })),
                SETTINGS if flags & ACK == 0 => self.answer(SETTINGS, &[]).await,
                // A server that leaves in two steps waits for this one.
                PING if flags & ACK == 0 => self.answer(PING, payload).await,
                GOAWAY => {
                    let last = number(payload) & 0x7fff_ffff;
                    self.last_id = Some(last);
                    let above = self.open.split_off(&(last.saturating_add(1)));
                    fates.extend(above.iter().map(|_| Fate::AboveGoaway));
                }
                _ => {}
            }
        }
        read.drain(..taken);
        self.buffer = read;
    }

    /// Takes a part of an answer; returns the fate of the request if it was the last.
    fn advance(&mut self, id: u32, kind: u8, flags: u8, payload: &[u8]) -> Option<Fate> {
        let progress = self.open.get_mut(&id)?;
        if *progress == Progress::Nothing && kind == HEADERS {
            let good = payload.first() == Some(&STATUS_200);
            *progress = if good { Progress::Good } else { Progress::Bad };
            // gRPC tells its errors in the only headers of an answer that has no message.
            if self.ask == Ask::Grpc && flags & END_STREAM != 0 {
                *progress = Progress::Bad;
            }
        }
        let good = *progress == Progress::Good;
        (flags & END_STREAM != 0).then(|| {
            self.open.remove(&id);
            if good {
                Fate::Answered
            } else {
                Fate::Lost(Loss::OtherAnswer)
            }
        })
    }

    async fn answer(&mut self, kind: u8, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame(kind, ACK, 0, payload, &mut bytes);
        self.write(&bytes).await;
    }

    /// Writes, and leaves it to what there is to read to tell what became of it.
    async fn write(&mut self, bytes: &[u8]) {
        let _: io::Result<()> = self.stream.write_all(bytes).await;
    }

    /// The request's headers in HPACK, without Huffman's code and without the dynamic table.
    fn head(&self) -> Vec<u8> {
        const METHOD_GET: u8 = 0x82;
        const METHOD_POST: u8 = 0x83;
        const PATH_ROOT: u8 = 0x84;
        const SCHEME_HTTP: u8 = 0x86;
        const AUTHORITY: &[u8] = &[0x01];
        const PATH: &[u8] = &[0x04];
        const CONTENT_TYPE: &[u8] = &[0x0f, 0x10];
        const TE: &[u8] = b"\x00\x02te";
        let mut block = vec![SCHEME_HTTP];
        let mut literal = |name: &[u8], value: &str| {
            block.extend_from_slice(name);
            block.push(u8::try_from(value.len()).expect("our values are short"));
            block.extend_from_slice(value.as_bytes());
        };
        literal(AUTHORITY, &self.authority);
        match self.ask {
            Ask::Get => block.splice(0..0, [METHOD_GET, PATH_ROOT]).for_each(drop),
            Ask::Grpc => {
                literal(PATH, "/drain.Echo/Echo");
                literal(CONTENT_TYPE, "application/grpc");
                literal(TE, "trailers");
                // Pseudo headers stand before all others.
                block.insert(0, METHOD_POST);
            }
        }
        block
    }
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8], into: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("our frames are short");
    into.extend_from_slice(&length.to_be_bytes()[1..]);
    into.extend_from_slice(&[kind, flags]);
    into.extend_from_slice(&id.to_be_bytes());
    into.extend_from_slice(payload);
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(FRAME_HEAD)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    Some((head, rest.get(..length)?))
}

/// The first four bytes as a number; what is too short is zero, and of no frame that counts.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
