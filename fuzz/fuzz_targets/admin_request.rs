//! Requests to the admin port are rejected unless they are allowed.
#![no_main]

#[path = "../../crates/campanile-admin/tests/corpus/request.rs"]
mod request;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request::check(bytes));
