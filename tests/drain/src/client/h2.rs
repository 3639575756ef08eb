//! An HTTP/2 connection that reports the exact outcome of each stream.
//!
//! It has its own frame parser, because the `h2` crate does not report the last stream ID of GOAWAY, and fails requests
//! that it never sent with the error of a GOAWAY. Only a part of the protocol is needed: requests without a body or with a
//! gRPC message of five bytes, and the status and the end of responses.

use std::{collections::BTreeMap, io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::connect,
    load_command::LoadCommands,
    request_outcome::{Loss, RequestOutcome},
};

/// The preface, SETTINGS without push, and a flow-control window for all responses of a connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
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
/// `:status: 200` in the static table of HPACK, which every encoder uses.
const STATUS_200: u8 = 0x88;

/// The kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the requests that the peers serve")]
pub enum RequestKind {
    /// `GET /`.
    Get,
    /// The unary call `/drain.Echo/Echo` with an empty message.
    Grpc,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    request_kind: RequestKind,
    authority: String,
    buffer: Vec<u8>,
    next_id: u32,
    /// Open streams by ID.
    open: BTreeMap<u32, Progress>,
    /// The last stream ID of GOAWAY.
    last_id: Option<u32>,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    NoResponse,
    Good,
    /// A status other than 200.
    Bad,
}

impl Connection {
    /// Connects, without waiting for the settings of the server.
    ///
    /// # Errors
    ///
    /// The outcome of the pending request, without a connection.
    pub async fn open(
        address: SocketAddr,
        request_kind: RequestKind,
        commands: &LoadCommands,
    ) -> Result<Self, RequestOutcome> {
        let mut connection = Self {
            stream: connect(address, commands).await?,
            request_kind,
            authority: address.to_string(),
            buffer: Vec::new(),
            next_id: 1,
            open: BTreeMap::new(),
            last_id: None,
            closed: false,
        };
        connection.write(PREFACE).await;
        Ok(connection)
    }

    /// Returns whether another request may be sent.
    #[must_use]
    pub fn accepts_requests(&self) -> bool {
        self.last_id.is_none() && !self.closed
    }

    /// Returns whether all outcomes are known.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.closed || (self.last_id.is_some() && self.open.is_empty())
    }

    /// Returns the number of open streams.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.open.len()
    }

    /// Sends a request on a new stream.
    pub async fn send_request(&mut self) {
        let id = self.next_id;
        self.next_id += 2;
        self.open.insert(id, Progress::NoResponse);
        let mut frames = Vec::with_capacity(128);
        match self.request_kind {
            RequestKind::Get => frame(HEADERS, END_HEADERS | END_STREAM, id, &self.head(), &mut frames),
            RequestKind::Grpc => {
                frame(HEADERS, END_HEADERS, id, &self.head(), &mut frames);
                frame(DATA, END_STREAM, id, &[0; 5], &mut frames);
            }
        }
        self.write(&frames).await;
    }

    /// Waits for frames, and returns the outcomes that they determine. Cancel safe.
    pub async fn next(&mut self) -> Vec<RequestOutcome> {
        let mut outcomes = Vec::new();
        let reset = match self.stream.read_buf(&mut self.buffer).await {
            Ok(1..) => {
                self.take_frames(&mut outcomes).await;
                return outcomes;
            }
            ended => ended.is_err(),
        };
        self.closed = true;
        for (_, progress) in std::mem::take(&mut self.open) {
            outcomes.push(RequestOutcome::Lost(match (progress, reset) {
                (Progress::NoResponse, true) => Loss::ResetBeforeResponse,
                (Progress::NoResponse, false) => Loss::ClosedBeforeResponse,
                (_, true) => Loss::ResetInResponse,
                (_, false) => Loss::ClosedInResponse,
            }));
        }
        outcomes
    }

    async fn take_frames(&mut self, outcomes: &mut Vec<RequestOutcome>) {
        let mut read = std::mem::take(&mut self.buffer);
        let mut taken = 0;
        while let Some((head, payload)) = split_frame(&read[taken..]) {
            let (kind, flags) = (head[3], head[4]);
            let id = number(&head[5..]) & 0x7fff_ffff;
            taken += FRAME_HEAD + payload.len();
            match kind {
                DATA | HEADERS => outcomes.extend(self.advance(id, kind, flags, payload)),
                RST_STREAM => outcomes.extend(self.open.remove(&id).map(|_| match number(payload) {
                    REFUSED_STREAM => RequestOutcome::AboveGoaway,
                    _ => RequestOutcome::Lost(Loss::StreamReset),
                })),
                SETTINGS if flags & ACK == 0 => self.acknowledge(SETTINGS, &[]).await,
                // A server that shuts down in two steps waits for this PING.
                PING if flags & ACK == 0 => self.acknowledge(PING, payload).await,
                GOAWAY => {
                    let last = number(payload) & 0x7fff_ffff;
                    self.last_id = Some(last);
                    let above = self.open.split_off(&(last.saturating_add(1)));
                    outcomes.extend(above.iter().map(|_| RequestOutcome::AboveGoaway));
                }
                _ => {}
            }
        }
        read.drain(..taken);
        self.buffer = read;
    }

    /// Handles a frame of a response; returns the outcome with the last one.
    fn advance(&mut self, id: u32, kind: u8, flags: u8, payload: &[u8]) -> Option<RequestOutcome> {
        let progress = self.open.get_mut(&id)?;
        if *progress == Progress::NoResponse && kind == HEADERS {
            let good = payload.first() == Some(&STATUS_200);
            *progress = if good { Progress::Good } else { Progress::Bad };
            // gRPC errors without a message are trailers-only responses.
            if self.request_kind == RequestKind::Grpc && flags & END_STREAM != 0 {
                *progress = Progress::Bad;
            }
        }
        let good = *progress == Progress::Good;
        (flags & END_STREAM != 0).then(|| {
            self.open.remove(&id);
            if good {
                RequestOutcome::Completed
            } else {
                RequestOutcome::Lost(Loss::UnexpectedResponse)
            }
        })
    }

    async fn acknowledge(&mut self, kind: u8, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame(kind, ACK, 0, payload, &mut bytes);
        self.write(&bytes).await;
    }

    /// Writes. After a failed write, reading shows the outcome.
    async fn write(&mut self, bytes: &[u8]) {
        let _: io::Result<()> = self.stream.write_all(bytes).await;
    }

    /// Encodes the request headers in HPACK, without Huffman coding and the dynamic table.
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
            block.push(u8::try_from(value.len()).expect("the values are short"));
            block.extend_from_slice(value.as_bytes());
        };
        literal(AUTHORITY, &self.authority);
        match self.request_kind {
            RequestKind::Get => block.splice(0..0, [METHOD_GET, PATH_ROOT]).for_each(drop),
            RequestKind::Grpc => {
                literal(PATH, "/drain.Echo/Echo");
                literal(CONTENT_TYPE, "application/grpc");
                literal(TE, "trailers");
                // Pseudo-headers precede all others.
                block.insert(0, METHOD_POST);
            }
        }
        block
    }
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8], into: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("the frames are short");
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

/// Returns the first four bytes as a number; zero if there are fewer.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
