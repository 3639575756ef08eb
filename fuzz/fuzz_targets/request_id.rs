//! Whatever stands in X-Request-Id is an id within the contract or refused, and so are its descendants.
#![no_main]

#[path = "../../crates/campanile-core/tests/corpus/request_id.rs"]
mod request_id;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request_id::check(bytes));
