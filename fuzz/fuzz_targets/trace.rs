//! Runs [`pidone_fuzz::trace`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::trace(data));
