//! Runs [`pidone_fuzz::image`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::image(data));
