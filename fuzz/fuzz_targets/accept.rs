//! `Accept` headers choose a format that the client accepts.
#![no_main]

#[path = "../../crates/campanile-recorder/tests/corpus/accept.rs"]
mod accept;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| accept::check(bytes));
