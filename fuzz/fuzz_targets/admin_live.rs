//! Any metrics text yields a valid sample for the live page.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_admin::check_samples(bytes));
