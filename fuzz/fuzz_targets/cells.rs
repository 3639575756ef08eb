//! Damaged files in a metrics directory are rendered or skipped.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = campanile_recorder::replay(bytes);
});
