//! Runs [`pidone_fuzz::plan`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::plan(data));
