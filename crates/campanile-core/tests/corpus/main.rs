//! What must hold for any bytes: the fuzz targets' checks, over the corpora of the repository.

mod deadline;
mod request_id;

use std::path::Path;

/// Checks every file of a target's corpus, if this is a checkout and not a published crate.
fn replay(target: &str, check: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join("fuzz").is_dir() {
        return;
    }
    let corpus = root.join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).expect("the target has a corpus") {
        check(&std::fs::read(entry.expect("is there").path()).expect("can be read"));
        files += 1;
    }
    assert!(files > 0, "the corpus of {target} is empty");
}

#[test]
fn whatever_comes_as_an_id_is_one_or_is_refused() {
    replay("request_id", request_id::check);
}

#[test]
fn whatever_comes_as_a_deadline_is_one_or_is_refused() {
    replay("deadline", deadline::check);
}
