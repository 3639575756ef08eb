//! Whatever a scraper accepts, it is sent what it can read.
#![no_main]

#[path = "../../crates/campanile-recorder/tests/corpus/accept.rs"]
mod accept;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| accept::check(bytes));
