//! The fuzz target of the bytes of an upload, and the test that runs its corpus.

use super::chunks::Chunks;
use super::upload::Upload;

/// Follows `bytes` as an HTTP/1 connection, whole and in pieces. The first byte is the size of a piece, the second the framing
/// of the body.
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

    // The body only: what follows may be the head of another.
    let (field, body, is_complete) = match framing % 2 {
        0 => {
            let length = usize::from(*framing);
            let field = format!("content-length: {length}");
            (field, &bytes[..length.min(bytes.len())], bytes.len() >= length)
        }
        _ => (
            "transfer-encoding: chunked".to_owned(),
            &bytes[..end],
            whole.is_complete(),
        ),
    };
    for first in ["", "GET / HTTP/1.1\r\n\r\n"] {
        let message = [
            first.as_bytes(),
            b"POST / HTTP/1.1\r\n",
            field.as_bytes(),
            b"\r\n\r\n",
            body,
        ]
        .concat();
        for size in [size, message.len()] {
            let upload = Upload::new();
            for piece in message.chunks(size) {
                upload.on_read(piece);
            }
            assert_eq!(upload.is_incomplete(), !is_complete, "in pieces of {size}");
        }
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
