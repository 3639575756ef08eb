//! Distinguishes HTTP/1 from HTTP/2 by the first bytes.
//!
//! hyper-util's `auto` connection does too, but without a time limit, and a graceful shutdown drops a connection in this
//! state even if its request is on the way.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Bytes that were read to identify the protocol, to be read again.
#[derive(Debug, Default)]
pub(crate) struct Sniffed {
    bytes: [u8; PREFACE.len()],
    end: u8,
    start: u8,
}

impl Sniffed {
    /// Returns whether the bytes begin a TLS handshake record: no HTTP method begins with a control character.
    pub(crate) fn is_tls(&self) -> bool {
        self.bytes[..usize::from(self.end)].starts_with(&[0x16]) && (self.end < 2 || self.bytes[1] == 3)
    }

    /// Copies as many bytes as fit into `buf`; returns false if none are left.
    #[inline]
    pub(crate) fn read_into(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.start == self.end {
            return false;
        }
        let rest = &self.bytes[usize::from(self.start)..usize::from(self.end)];
        let copied = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(copied);
        self.start += copied.len() as u8;
        true
    }
}

/// Reads until the protocol is known; `None` if the peer closes before its first byte. Cancel safe: bytes read so far are
/// in `sniffed`, where the next call continues.
pub(crate) async fn sniff(
    io: &mut (impl AsyncRead + Unpin),
    sniffed: &mut Sniffed,
) -> io::Result<Option<Protocol>> {
    loop {
        let have = usize::from(sniffed.end);
        let read = io.read(&mut sniffed.bytes[have..]).await?;
        sniffed.end += read as u8;
        let bytes = &sniffed.bytes[..have + read];
        match (bytes, read) {
            ([], _) => return Ok(None),
            (bytes, _) if bytes == PREFACE => return Ok(Some(Protocol::Http2)),
            // HTTP/1 reports the incomplete message.
            (_, 0) => return Ok(Some(Protocol::Http1)),
            (bytes, _) if PREFACE.starts_with(bytes) => {}
            _ => return Ok(Some(Protocol::Http1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn identify(pieces: &[&[u8]]) -> Option<(Protocol, Vec<u8>)> {
        let mut io = read_in_pieces(pieces);
        let mut sniffed = Sniffed::default();
        let protocol = sniff(&mut io, &mut sniffed).await.unwrap()?;
        let mut room = [0; 64];
        let mut buf = ReadBuf::new(&mut room);
        sniffed.read_into(&mut buf);
        Some((protocol, buf.filled().to_vec()))
    }

    /// Yields one piece per read.
    fn read_in_pieces(pieces: &[&[u8]]) -> impl AsyncRead + Unpin {
        let empty: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        pieces.iter().rev().fold(empty, |rest, piece| {
            Box::new(io::Cursor::new(piece.to_vec()).chain(rest))
        })
    }

    #[tokio::test]
    async fn protocol_is_known_at_the_first_differing_byte() {
        let h1 = |bytes: &[u8]| Some((Protocol::Http1, bytes.to_vec()));
        assert_eq!(identify(&[b"G"]).await, h1(b"G"));
        assert_eq!(identify(&[b"P", b"OST /"]).await, h1(b"POST /"));
        assert_eq!(identify(&[b"PRI * HTTP/1"]).await, h1(b"PRI * HTTP/1"));
        assert_eq!(identify(&[b"PRI"]).await, h1(b"PRI"), "closed early");
        assert_eq!(identify(&[]).await, None);
        let preface = Some((Protocol::Http2, PREFACE.to_vec()));
        assert_eq!(identify(&[&PREFACE[..5], &PREFACE[5..]]).await, preface);
    }
}
