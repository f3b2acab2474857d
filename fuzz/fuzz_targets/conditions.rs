//! Runs [`pidone_fuzz::conditions`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::conditions(data));
