//! Whatever bytes a process finds in a directory, it renders them or leaves them, and goes on.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = campanile_recorder::replay(bytes);
});
