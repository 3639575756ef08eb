//! The fuzz target of the bytes of an upload, and the test that runs its corpus.

use super::chunks::Chunks;
use super::upload::{Framing, Upload};

/// Follows `bytes` as an HTTP/1 connection, whole and in pieces. The first byte is the size of a piece, the second the framing
/// of each message.
///
/// # Panics
///
/// Panics if the end of a body depends on how the bytes are split.
#[cfg_attr(
    test,
    expect(unreachable_pub, reason = "the fuzz target calls it through the crate root")
)]
pub fn check_upload(bytes: &[u8]) {
    let [size, framing, bytes @ ..] = bytes else {
        return;
    };
    let size = usize::from(*size).max(1);
    let mut whole = Chunks::new();
    let end = whole.follow(bytes);
    assert!(end == bytes.len() || whole.is_complete(), "{end}");
    let mut pieces = Chunks::new();
    let mut sum = 0;
    for piece in bytes.chunks(size) {
        sum += pieces.follow(piece);
        pieces = Chunks::unpack(pieces.pack());
    }
    assert_eq!((sum, pieces.is_complete()), (end, whole.is_complete()));

    let framing = match framing % 3 {
        0 => None,
        1 => Some(Framing::Chunked),
        _ => Some(Framing::Length(u64::from(*framing))),
    };
    let follow = |size: usize| {
        let upload = Upload::new();
        upload.on_read(b"POST / HTTP/1.1\r\n\r\n");
        upload.begin(framing);
        for piece in bytes.chunks(size) {
            upload.on_read(piece);
        }
        upload.is_incomplete()
    };
    assert_eq!(follow(size), follow(bytes.len().max(1)), "depends on the split");
    if let Some(Framing::Length(length)) = framing {
        assert_eq!(follow(size), (bytes.len() as u64) < length);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_corpus_ends_where_it_ends_however_it_is_split() {
        // A published crate has no corpus.
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        if !fuzz.is_dir() {
            return;
        }
        let mut files = 0;
        for entry in std::fs::read_dir(fuzz.join("corpus/upload")).expect("the target has a corpus") {
            check_upload(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "the corpus is empty");
    }

    #[test]
    fn random_bytes_end_where_they_end_however_they_are_split() {
        const BYTES: &[u8] = b"\r\n\r\n00123aFf;x: \t";
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let length = random.usize(..40);
            let mut bytes = vec![random.u8(1..8), random.u8(..9)];
            bytes.extend((0..length).map(|_| BYTES[random.usize(..BYTES.len())]));
            check_upload(&bytes);
        }
    }
}
