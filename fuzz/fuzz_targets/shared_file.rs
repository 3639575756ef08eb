//! Any file of another process, cut and extended between reads, is read as far as it is valid, without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_recorder::replay_file(bytes));
