//! What must hold for any bytes: the fuzz target's check, over its corpus in the repository.

mod request;

use std::path::Path;

#[test]
fn whatever_is_asked_is_answered_as_it_should_be() {
    // There is no corpus beside a published crate.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join("fuzz").is_dir() {
        return;
    }
    let mut files = 0;
    for entry in std::fs::read_dir(root.join("fuzz/corpus/admin_request")).expect("the target has a corpus") {
        request::check(&std::fs::read(entry.expect("is there").path()).expect("can be read"));
        files += 1;
    }
    assert!(files > 0, "the corpus is empty");
}
