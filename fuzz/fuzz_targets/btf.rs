//! Runs [`pidone_fuzz::btf`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::btf(data));
