//! The checks of the fuzz targets, run over the corpora of the repository.

mod deadline;
mod grpc_method;
mod request_id;

use std::path::Path;

/// Checks each file in the corpus of a target. Does nothing in a published crate, which has no corpora.
fn replay(target: &str, check: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join("fuzz").is_dir() {
        return;
    }
    let corpus = root.join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).expect("the target has a corpus") {
        check(&std::fs::read(entry.expect("a directory entry").path()).expect("readable"));
        files += 1;
    }
    assert!(files > 0, "the corpus of {target} is empty");
}

#[test]
fn request_id_corpus_passes() {
    replay("request_id", request_id::check);
}

#[test]
fn deadline_corpus_passes() {
    replay("deadline", deadline::check);
}

#[test]
fn grpc_method_corpus_passes() {
    replay("grpc_method", grpc_method::check);
}
