//! What must hold for any bytes: the fuzz targets' checks, over the corpora of the repository.

mod accept;
mod labels;

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
fn whatever_is_accepted_gets_what_it_can_read() {
    replay("accept", accept::check);
}

#[test]
fn whatever_labels_are_made_of_they_have_one_spelling() {
    replay("labels", labels::check);
}
