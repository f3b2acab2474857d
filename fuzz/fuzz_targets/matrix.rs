//! Runs [`pidone_fuzz::matrix`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::matrix(data));
