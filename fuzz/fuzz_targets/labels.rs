//! Whatever labels are made of, they have one spelling, which is read back.
#![no_main]

#[path = "../../crates/campanile-recorder/tests/corpus/labels.rs"]
mod labels;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| labels::check(bytes));
