//! The checks of the fuzz targets, on the corpora in the repository.

mod accept;
mod labels;

use std::path::Path;

/// Checks every file of a corpus. A published crate has no corpora.
fn replay(target: &str, check: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join("fuzz").is_dir() {
        return;
    }
    let corpus = root.join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).expect("the target has a corpus") {
        check(&std::fs::read(entry.expect("is listed").path()).expect("can be read"));
        files += 1;
    }
    assert!(files > 0, "the corpus of {target} is empty");
}

#[test]
fn any_accept_header_selects_an_accepted_format() {
    replay("accept", accept::check);
}

#[test]
fn any_labels_have_one_canonical_form() {
    replay("labels", labels::check);
}
