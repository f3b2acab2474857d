//! Runs [`pidone_fuzz::archives`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::archives(data));
