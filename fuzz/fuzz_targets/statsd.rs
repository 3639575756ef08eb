//! Names, labels and values are formatted as one valid line in each format.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_recorder::statsd::replay(bytes));
