//! No request gets access to the admin port that it should not have.
#![no_main]

#[path = "../../crates/campanile-admin/tests/it/fuzz_corpus.rs"]
mod fuzz_corpus;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_corpus::check(bytes));
