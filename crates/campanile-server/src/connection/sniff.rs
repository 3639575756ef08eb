//! HTTP/1 or HTTP/2, told by the first bytes.
//!
//! hyper-util's `auto` connection does this too, but it has no time limit there, and asked to shut down it drops the
//! connection in this state, whatever is on its way. Done apart, each protocol has its own rules from its first byte.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Bytes that were read to find out, and are read again.
#[derive(Debug, Default)]
pub(crate) struct Sniffed {
    bytes: [u8; PREFACE.len()],
    end: u8,
    start: u8,
}

impl Sniffed {
    /// Gives as much as there is room for; tells whether there was anything.
    #[inline]
    pub(crate) fn give_to(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.start == self.end {
            return false;
        }
        let rest = &self.bytes[usize::from(self.start)..usize::from(self.end)];
        let given = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(given);
        self.start += given.len() as u8;
        true
    }
}

/// Reads until the protocol is clear; nothing if the peer ends before its first byte. Cancel safe: what was read is in
/// `sniffed`, from which the next call goes on.
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
            // HTTP/1 says what is wrong with a message that ends so soon.
            (_, 0) => return Ok(Some(Protocol::Http1)),
            (bytes, _) if PREFACE.starts_with(bytes) => {}
            _ => return Ok(Some(Protocol::Http1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told_by(pieces: &[&[u8]]) -> Option<(Protocol, Vec<u8>)> {
        let mut io = tokio_test_io(pieces);
        let mut sniffed = Sniffed::default();
        let protocol = sniff(&mut io, &mut sniffed).await.unwrap()?;
        let mut room = [0; 64];
        let mut buf = ReadBuf::new(&mut room);
        sniffed.give_to(&mut buf);
        Some((protocol, buf.filled().to_vec()))
    }

    /// Yields each piece by a read of its own.
    fn tokio_test_io(pieces: &[&[u8]]) -> impl AsyncRead + Unpin {
        let empty: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        pieces.iter().rev().fold(empty, |rest, piece| {
            Box::new(io::Cursor::new(piece.to_vec()).chain(rest))
        })
    }

    #[tokio::test]
    async fn the_protocol_is_clear_as_soon_as_it_can_be() {
        let h1 = |bytes: &[u8]| Some((Protocol::Http1, bytes.to_vec()));
        assert_eq!(told_by(&[b"G"]).await, h1(b"G"));
        assert_eq!(told_by(&[b"P", b"OST /"]).await, h1(b"POST /"));
        assert_eq!(told_by(&[b"PRI * HTTP/1"]).await, h1(b"PRI * HTTP/1"));
        assert_eq!(told_by(&[b"PRI"]).await, h1(b"PRI"), "it ends there");
        assert_eq!(told_by(&[]).await, None);
        let preface = Some((Protocol::Http2, PREFACE.to_vec()));
        assert_eq!(told_by(&[&PREFACE[..5], &PREFACE[5..]]).await, preface);
    }
}
