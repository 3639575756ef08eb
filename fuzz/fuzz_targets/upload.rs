//! The end of an upload does not depend on how its bytes arrive.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_server::check_upload(bytes));
