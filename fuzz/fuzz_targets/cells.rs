//! Any bytes in a shared directory are parsed or rejected, without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = campanile_recorder::replay(bytes);
});
