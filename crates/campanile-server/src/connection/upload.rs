//! Follows the body of an HTTP/1 request by the bytes that arrive, since hyper does not report how much of it is missing.
//!
//! Requests may be pipelined, so that hyper parses a head long after it was read: the framing is read from the head itself.
//! What it reads is only used to decide whether a silent client still owes bytes. Used by one task at a time, as HTTP/1 is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::chunks::Chunks;
use super::head::Head;

/// The framing of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

#[derive(Debug)]
pub(crate) struct Upload {
    stage: AtomicU64,
    /// The head or the chunked body, whichever is followed.
    detail: AtomicU64,
    /// The `Content-Length` of the head.
    length: AtomicU64,
    timed_out: AtomicBool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A new head.
    Start,
    /// A new head, or the body of the one before, which was not followed.
    Skipped,
    Head,
    /// A body of which so many bytes are missing.
    Length(u64),
    Chunked,
}

const NUMBER_SHIFT: u32 = 8;
const MAX_NUMBER: u64 = u64::MAX >> NUMBER_SHIFT;

impl Upload {
    pub(super) fn new() -> Self {
        Self {
            stage: AtomicU64::new(Stage::Start.pack()),
            detail: AtomicU64::new(0),
            length: AtomicU64::new(0),
            timed_out: AtomicBool::new(false),
        }
    }

    /// Observes bytes that hyper reads.
    #[inline]
    pub(super) fn on_read(&self, bytes: &[u8]) {
        if matches!(self.stage(), Stage::Start | Stage::Skipped) && is_one_head(bytes) {
            self.set_stage(Stage::Skipped);
        } else {
            self.follow(bytes);
        }
    }

    /// Observes that hyper has parsed a head; `None` without a body.
    #[inline]
    pub(crate) fn begin(&self, framing: Option<Framing>) {
        if let Some(framing) = framing
            && self.stage() == Stage::Skipped
        {
            self.begin_body(framing);
        }
    }

    /// Returns whether body bytes are missing.
    #[inline]
    pub(super) fn is_incomplete(&self) -> bool {
        matches!(self.stage(), Stage::Length(_) | Stage::Chunked)
    }

    pub(super) fn set_timed_out(&self) {
        self.timed_out.store(true, Ordering::Relaxed);
    }

    /// Returns whether the client has stopped sending the body for too long.
    #[inline]
    pub(crate) fn is_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    fn stage(&self) -> Stage {
        Stage::unpack(self.stage.load(Ordering::Relaxed))
    }

    fn set_stage(&self, stage: Stage) {
        self.stage.store(stage.pack(), Ordering::Relaxed);
    }

    fn begin_body(&self, framing: Framing) {
        self.set_stage(match framing {
            Framing::Length(0) => Stage::Start,
            Framing::Length(length) => Stage::Length(length),
            Framing::Chunked => {
                self.detail.store(Chunks::new().pack(), Ordering::Relaxed);
                Stage::Chunked
            }
        });
    }

    fn follow(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.stage() {
                Stage::Start | Stage::Skipped => {
                    // Empty lines before a request are skipped: RFC 9112, section 2.2.
                    let Some(at) = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else {
                        break;
                    };
                    bytes = &bytes[at..];
                    let (detail, length) = Head::new().pack();
                    self.detail.store(detail, Ordering::Relaxed);
                    self.length.store(length, Ordering::Relaxed);
                    self.set_stage(Stage::Head);
                }
                Stage::Head => {
                    let mut head = Head::unpack(
                        self.detail.load(Ordering::Relaxed),
                        self.length.load(Ordering::Relaxed),
                    );
                    match head.follow(bytes) {
                        Some(end) => {
                            bytes = &bytes[end..];
                            self.begin_body(head.framing());
                        }
                        None => {
                            let (detail, length) = head.pack();
                            self.detail.store(detail, Ordering::Relaxed);
                            self.length.store(length, Ordering::Relaxed);
                            break;
                        }
                    }
                }
                Stage::Length(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[taken..];
                    self.begin_body(Framing::Length(left - taken as u64));
                }
                Stage::Chunked => {
                    let mut chunks = Chunks::unpack(self.detail.load(Ordering::Relaxed));
                    let taken = chunks.follow(bytes);
                    bytes = &bytes[taken..];
                    self.detail.store(chunks.pack(), Ordering::Relaxed);
                    if chunks.is_complete() {
                        self.set_stage(Stage::Start);
                    }
                }
            }
        }
    }
}

/// Returns whether bytes are one complete head, of a method that has no body as a rule: in nearly all cases nothing else is
/// read, and it need not be followed.
#[inline]
fn is_one_head(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'G' | b'H' | b'O'))
        && bytes
            .strip_suffix(b"\r\n\r\n")
            .is_some_and(|lines| !has_empty_line(lines))
}

/// Without a branch, so that the compiler vectorizes it.
fn has_empty_line(lines: &[u8]) -> bool {
    let after = lines.get(1..).unwrap_or_default();
    lines.iter().zip(after).fold(false, |found, (&byte, &next)| {
        found | ((byte == b'\n') & ((next == b'\r') | (next == b'\n')))
    }) || lines.ends_with(b"\n")
}

impl Stage {
    const fn pack(self) -> u64 {
        let (kind, number) = match self {
            Self::Start => (0, 0),
            Self::Head => (1, 0),
            Self::Skipped => (2, 0),
            Self::Length(left) => (3, left),
            Self::Chunked => (4, 0),
        };
        let number = if number > MAX_NUMBER { MAX_NUMBER } else { number };
        kind | number << NUMBER_SHIFT
    }

    #[inline]
    const fn unpack(packed: u64) -> Self {
        match packed as u8 {
            0 => Self::Start,
            1 => Self::Head,
            2 => Self::Skipped,
            3 => Self::Length(packed >> NUMBER_SHIFT),
            _ => Self::Chunked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: [&[u8]; 7] = [
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab\r\n\r",
        b"\r\n\r\nPUT / HTTP/1.1\r\nx: y\r\nContent-Length:5\r\n\r\n12345",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"DELETE / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\na;x=y\r\n0123456789\r\n00\r\nt: u\r\n\r\n",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nt: u\r\n\r\n",
        b"GET / HTTP/1.1\ncontent-length: 4\n\n\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-lengt: 9\r\nxcontent-length: 9\r\n content-length: 9\r\ncontent-length: 2\r\n\r\nab",
    ];

    #[test]
    fn body_is_complete_with_its_last_byte_however_it_is_split() {
        for first in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", MESSAGES[0], MESSAGES[3]] {
            for last in MESSAGES {
                let message = [first, last].concat();
                for split in first.len() + 1..message.len() {
                    let upload = Upload::new();
                    upload.on_read(&message[..split]);
                    let name = String::from_utf8_lossy(&message[..split]);
                    if upload.stage() == Stage::Skipped {
                        // As hyper does.
                        upload.begin(Some(match first.is_empty() && last == MESSAGES[4] {
                            true => Framing::Chunked,
                            false => Framing::Length(2),
                        }));
                    }
                    upload.on_read(&message[split..message.len() - 1]);
                    assert!(upload.is_incomplete(), "{name:?}");
                    upload.on_read(&message[message.len() - 1..]);
                    assert!(!upload.is_incomplete(), "{name:?}");
                    upload.begin(Some(Framing::Chunked));
                    assert!(!upload.is_incomplete(), "{name:?}: it is complete already");
                }
            }
        }
    }

    #[test]
    fn head_that_is_read_alone_is_not_followed_unless_it_has_a_body() {
        let upload = Upload::new();
        for framing in [None, Some(Framing::Length(3)), None] {
            upload.on_read(b"GET / HTTP/1.1\r\nx: y\r\n\r\n");
            assert_eq!(upload.stage(), Stage::Skipped);
            upload.begin(framing);
            assert_eq!(upload.is_incomplete(), framing.is_some());
            if framing.is_some() {
                upload.on_read(b"abc");
            }
            assert!(!upload.is_incomplete());
        }
    }

    #[test]
    fn stages_survive_packing() {
        let stages = [
            Stage::Start,
            Stage::Skipped,
            Stage::Head,
            Stage::Length(1 << 50),
            Stage::Chunked,
        ];
        for stage in stages {
            assert_eq!(Stage::unpack(stage.pack()), stage);
        }
        assert_eq!(
            Stage::unpack(Stage::Length(u64::MAX).pack()),
            Stage::Length(MAX_NUMBER)
        );
    }
}
