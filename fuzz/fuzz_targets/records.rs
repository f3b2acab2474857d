//! Runs [`pidone_fuzz::records`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::records(data));
