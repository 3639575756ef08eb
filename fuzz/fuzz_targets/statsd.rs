//! Whatever names, labels and values are, each makes one clean line in each form.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_recorder::statsd::replay(bytes));
