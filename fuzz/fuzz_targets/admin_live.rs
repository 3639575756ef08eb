//! The live page receives valid events for any metrics text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_admin::replay(bytes));
