//! Whatever is asked of the admin port, it lets in nobody whom it should not.
#![no_main]

#[path = "../../crates/campanile-admin/tests/corpus/request.rs"]
mod request;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request::check(bytes));
