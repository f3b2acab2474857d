//! Runs [`pidone_fuzz::stored`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::stored(data));
