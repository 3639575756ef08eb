//! Pieces, compressed.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Compressed bytes are handed on when there are as many.
const PIECE: usize = 16 * 1024;

/// The text is names that repeat: more effort takes twice the time for a few bytes less.
const LEVEL: Compression = Compression::fast();

/// Compresses what another iterator makes.
pub(super) struct Compressed<I> {
    pieces: I,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<I> Compressed<I> {
    pub(super) fn new(pieces: I) -> Self {
        Self {
            pieces,
            encoder: Some(GzEncoder::new(Vec::new(), LEVEL)),
        }
    }
}

impl<I: Iterator<Item = Bytes>> Iterator for Compressed<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let encoder = self.encoder.as_mut()?;
        for piece in self.pieces.by_ref() {
            encoder.write_all(&piece).expect("a vector takes all");
            if encoder.get_ref().len() >= PIECE {
                return Some(std::mem::take(encoder.get_mut()).into());
            }
        }
        let rest = self.encoder.take()?.finish().expect("a vector takes all");
        Some(rest.into())
    }
}
