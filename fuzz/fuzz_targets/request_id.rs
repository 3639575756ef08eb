//! `X-Request-Id` is parsed into a valid ID with valid descendants, or rejected.
#![no_main]

#[path = "../../crates/campanile-core/tests/corpus/request_id.rs"]
mod request_id;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request_id::check(bytes));
