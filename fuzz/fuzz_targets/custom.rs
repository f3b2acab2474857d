//! Runs [`pidone_fuzz::custom`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::custom(data));
