//! Runs [`pidone_fuzz::elf`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pidone_fuzz::elf(data));
