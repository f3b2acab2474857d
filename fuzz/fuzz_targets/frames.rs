//! Runs [`pidone_fuzz::frames`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::frames(data));
