//! Labels have one encoding, which decodes to the same labels.
#![no_main]

#[path = "../../crates/campanile-recorder/tests/corpus/labels.rs"]
mod labels;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| labels::check(bytes));
