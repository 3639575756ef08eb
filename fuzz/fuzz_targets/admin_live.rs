//! Whatever the metrics' text is, the live page is told something that it can read.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_admin::replay(bytes));
