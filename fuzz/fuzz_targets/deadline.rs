//! `X-Request-Deadline` and `grpc-timeout` are parsed into a deadline that is formatted identically, or rejected.
#![no_main]

#[path = "../../crates/campanile-core/tests/corpus/deadline.rs"]
mod deadline;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deadline::check(bytes));
