//! Follows the body of an HTTP/1 request by the bytes that arrive, since hyper does not report how much of it is missing.
//!
//! The end of a head is found by its empty line, and the rest by the framing that hyper has parsed from it. What it reads
//! is only used to decide whether a silent client still owes bytes. Used by one task at a time, as HTTP/1 is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::chunks::Chunks;

/// The framing of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

#[derive(Debug)]
pub(crate) struct Upload {
    stage: AtomicU64,
    chunks: AtomicU64,
    timed_out: AtomicBool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A new head.
    Start,
    /// A head.
    Head(Line),
    /// What follows a head that hyper has not parsed yet, after so many bytes.
    Tail(u64),
    /// A body of which so many bytes are missing.
    Length(u64),
    Chunked,
}

/// The end of what was read of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Begun,
    /// `\n`: an empty line ends the head.
    Ended,
    /// `\n\r`.
    EndedCr,
}

const NUMBER_SHIFT: u32 = 8;
const MAX_NUMBER: u64 = u64::MAX >> NUMBER_SHIFT;

impl Upload {
    pub(super) fn new() -> Self {
        Self {
            stage: AtomicU64::new(Stage::Start.pack()),
            chunks: AtomicU64::new(Chunks::new().pack()),
            timed_out: AtomicBool::new(false),
        }
    }

    /// Observes bytes that hyper reads.
    #[inline]
    pub(super) fn on_read(&self, bytes: &[u8]) {
        if self.stage.load(Ordering::Relaxed) == Stage::Start.pack() && is_without_body(bytes) {
            return;
        }
        self.follow(bytes);
    }

    /// Observes that hyper has parsed a head; `None` without a body.
    #[inline]
    pub(crate) fn begin(&self, framing: Option<Framing>) {
        if framing.is_some() || self.stage.load(Ordering::Relaxed) != Stage::Start.pack() {
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

    fn chunks(&self) -> Chunks {
        Chunks::unpack(self.chunks.load(Ordering::Relaxed))
    }

    fn begin_body(&self, framing: Option<Framing>) {
        let tail = match self.stage() {
            Stage::Tail(tail) => tail,
            // The end of the head was among bytes that were not followed; most probably nothing came after it.
            _ => 0,
        };
        let next = match framing {
            Some(Framing::Length(length)) if length > tail => Stage::Length(length - tail),
            Some(Framing::Chunked) if tail == 0 => {
                self.chunks.store(Chunks::new().pack(), Ordering::Relaxed);
                Stage::Chunked
            }
            Some(Framing::Chunked) if !self.chunks().is_complete() => Stage::Chunked,
            Some(Framing::Length(length)) if length == tail => Stage::Start,
            None if tail == 0 => Stage::Start,
            // The beginning of another head was read already.
            _ => Stage::Head(Line::Begun),
        };
        self.set_stage(next);
    }

    fn follow(&self, mut bytes: &[u8]) {
        let mut stage = self.stage();
        let mut chunks = self.chunks();
        while !bytes.is_empty() {
            match stage {
                Stage::Start => {
                    // Empty lines before a request are skipped: RFC 9112, section 2.2.
                    let Some(at) = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else {
                        break;
                    };
                    bytes = &bytes[at..];
                    stage = Stage::Head(Line::Begun);
                }
                Stage::Head(line) => match end_of_head(line, bytes) {
                    Ok(end) => {
                        bytes = &bytes[end..];
                        stage = Stage::Tail(0);
                        chunks = Chunks::new();
                    }
                    Err(line) => {
                        stage = Stage::Head(line);
                        break;
                    }
                },
                Stage::Tail(tail) => {
                    // If it is a chunked body.
                    chunks.follow(bytes);
                    stage = Stage::Tail(tail + bytes.len() as u64);
                    break;
                }
                Stage::Length(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[taken..];
                    stage = match left - taken as u64 {
                        0 => Stage::Start,
                        left => Stage::Length(left),
                    };
                }
                Stage::Chunked => {
                    let taken = chunks.follow(bytes);
                    bytes = &bytes[taken..];
                    if chunks.is_complete() {
                        stage = Stage::Start;
                    }
                }
            }
        }
        self.chunks.store(chunks.pack(), Ordering::Relaxed);
        self.set_stage(stage);
    }
}

/// Returns whether bytes are complete heads of a method that has no body, as in nearly all cases: they are not followed.
/// The end of a chunked body looks the same, but for its zero.
#[inline]
fn is_without_body(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'G' | b'H' | b'O'))
        && bytes.ends_with(b"\r\n\r\n")
        && !bytes.ends_with(b"0\r\n\r\n")
}

/// Returns how many bytes of a head are left, or the state after all of them. As hyper, it accepts lines that end with `\n`.
fn end_of_head(mut line: Line, bytes: &[u8]) -> Result<usize, Line> {
    for (at, byte) in bytes.iter().enumerate() {
        line = match (line, byte) {
            (Line::Ended | Line::EndedCr, b'\n') => return Ok(at + 1),
            (Line::Begun, b'\n') => Line::Ended,
            (Line::Ended, b'\r') => Line::EndedCr,
            _ => Line::Begun,
        };
    }
    Err(line)
}

impl Stage {
    const fn pack(self) -> u64 {
        let (kind, number) = match self {
            Self::Start => (0, 0),
            Self::Head(line) => (1, line as u64),
            Self::Tail(tail) => (2, tail),
            Self::Length(left) => (3, left),
            Self::Chunked => (4, 0),
        };
        let number = if number > MAX_NUMBER { MAX_NUMBER } else { number };
        kind | number << NUMBER_SHIFT
    }

    fn unpack(packed: u64) -> Self {
        let number = packed >> NUMBER_SHIFT;
        match packed as u8 {
            0 => Self::Start,
            1 => Self::Head(match number {
                1 => Line::Ended,
                2 => Line::EndedCr,
                _ => Line::Begun,
            }),
            2 => Self::Tail(number),
            3 => Self::Length(number),
            _ => Self::Chunked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows messages as they arrive in pieces. hyper parses a head as soon as it is complete, and once the body before
    /// it is. Returns whether the last body is incomplete.
    fn follow(pieces: &[&[u8]], framings: &[Option<Framing>]) -> bool {
        let upload = Upload::new();
        let mut framings = framings.iter();
        let mut read = Vec::new();
        for piece in pieces {
            upload.on_read(piece);
            read.extend_from_slice(piece);
            let message = read.trim_ascii_start();
            if message.windows(4).any(|window| window == b"\r\n\r\n")
                && !upload.is_incomplete()
                && let Some(framing) = framings.next()
            {
                upload.begin(*framing);
                read.clear();
            }
        }
        upload.is_incomplete()
    }

    const LENGTH: Option<Framing> = Some(Framing::Length(5));
    const CHUNKED: Option<Framing> = Some(Framing::Chunked);

    #[test]
    fn body_is_complete_with_its_last_byte_however_it_is_split() {
        let messages: [(&[u8], _); 4] = [
            (b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab\r\n\r", LENGTH),
            (
                b"\r\n\r\nPUT / HTTP/1.1\r\ncontent-length: 5\r\n\r\n12345",
                LENGTH,
            ),
            (b"POST / HTTP/1.1\r\nx: y\r\n\r\n3\r\nabc\r\n0\r\n\r\n", CHUNKED),
            (
                b"DELETE / HTTP/1.1\r\nx: y\r\n\r\na;x=y\r\n0123456789\r\n00\r\nt: u\r\n\r\n",
                CHUNKED,
            ),
        ];
        for (message, framing) in messages {
            for split in 0..=message.len() {
                let (first, second) = message.split_at(split);
                let name = String::from_utf8_lossy(first);
                assert!(!follow(&[first, second], &[framing]), "{name:?}");
                let short = &second[..second.len().saturating_sub(1)];
                if !short.is_empty()
                    && message[..split + short.len()]
                        .trim_ascii_start()
                        .windows(4)
                        .any(|end| end == b"\r\n\r\n")
                {
                    assert!(follow(&[first, short], &[framing]), "{name:?}");
                }
            }
        }
    }

    #[test]
    fn next_message_is_followed_from_its_beginning() {
        let upload = Upload::new();
        upload.on_read(b"POST / HTTP/1.1\r\n\r\nab");
        upload.begin(LENGTH);
        assert!(upload.is_incomplete());
        upload.on_read(b"cdePOST / HTTP/1.1\r\n\r\n1");
        assert!(!upload.is_incomplete());
        upload.begin(LENGTH);
        upload.on_read(b"234");
        assert!(upload.is_incomplete());
        upload.on_read(b"5");
        assert!(!upload.is_incomplete());
        upload.on_read(b"GET / HTTP/1.1\r\n\r\n");
        upload.begin(None);
        assert!(!upload.is_incomplete());
        upload.on_read(b"POST / HTTP/1.1\r\n\r\n");
        upload.begin(CHUNKED);
        assert!(upload.is_incomplete());
    }

    #[test]
    fn stages_survive_packing() {
        let stages = [
            Stage::Start,
            Stage::Head(Line::Begun),
            Stage::Head(Line::Ended),
            Stage::Head(Line::EndedCr),
            Stage::Tail(7),
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
