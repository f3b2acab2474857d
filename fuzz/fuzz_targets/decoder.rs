//! Runs [`pidone_fuzz::decoder`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::decoder(data));
