//! Whatever stands in X-Request-Deadline or grpc-timeout is a moment that is written as it was read, or refused.
#![no_main]

#[path = "../../crates/campanile-core/tests/corpus/deadline.rs"]
mod deadline;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deadline::check(bytes));
